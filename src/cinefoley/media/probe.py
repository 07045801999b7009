"""Probe a media file: container, duration, video and audio stream."""

import os
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from cinefoley.errors import AudioError
from cinefoley.media.containers import (
    audio_stream,
    moving_video_streams,
    open_media,
    short_format,
    video_packets,
    video_stream,
)
from cinefoley.media.frames.pixels import display_matrix, has_alpha, rotation_degrees
from cinefoley.media.timing import seconds, stated_end

__all__ = ["AudioInfo", "MediaInfo", "VideoInfo", "probe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """A video stream."""

    codec: str
    """FFmpeg's name of the codec, such as ``h264``."""
    width: int
    """Pixels across, after rotation; a sample aspect ratio is not applied."""
    height: int
    """Pixels down, after rotation."""
    average_rate: Fraction | None
    """Average frames per second, where the file or its first seconds state it."""
    pixel_format: str
    """FFmpeg's name of the pixel format, such as ``yuv420p``."""
    bit_depth: int
    """Bits per component."""
    has_alpha: bool
    """Whether pixels can be transparent."""
    rotation: int
    """Degrees by which players turn the stored frame counter-clockwise: 0, 90, 180 or 270."""
    timecode: str | None = None
    """Timecode of the first frame, from a timecode track or metadata; drop-frame with ``;`` in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInfo:
    """An audio stream."""

    codec: str
    """FFmpeg's name of the codec, such as ``aac``."""
    sample_rate: int
    """Samples per second."""
    channels: int
    """Number of channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What :func:`probe` finds."""

    path: Path
    """The file."""
    container: str
    """The format, such as ``mp4``, ``mkv`` or ``wav``."""
    duration_s: float | None
    """Seconds that the file states, of the video stream where there is one; None where it states none."""
    video: VideoInfo | None
    """The video stream that cinefoley would use. A cover image is none."""
    audio: AudioInfo | None
    """The audio stream that cinefoley would use."""


def probe(path: str | os.PathLike[str]) -> MediaInfo:
    """Read what a media file contains. At most one frame is decoded, because only frames state the rotation.

    Args:
        path: A file of any container FFmpeg reads.

    Returns:
        Its container and streams. A file with audio alone is no error: ``video`` is None.

    Raises:
        MediaError: If the path is missing, a folder, empty, unreadable, or no media file.
        VideoError: If it is a still image, or its frames are in an unknown codec.

    Examples:
        >>> probe("rain.mp4").video.codec  # doctest: +SKIP
        'h264'
    """
    with open_media(path) as container:
        audio = _probe_audio(container, path)
        duration = _stated_duration(container)
        video = _probe_video(container, path)
        return MediaInfo(
            path=Path(path), container=short_format(container), duration_s=duration, video=video, audio=audio
        )


def _stated_duration(container: InputContainer) -> float | None:
    for stream in moving_video_streams(container):
        end = stated_end(container, stream)
        if end is not None:
            return float(end - (seconds(stream.start_time, stream.time_base) or 0))
    return None if container.duration is None else container.duration / av.time_base


def _probe_audio(container: InputContainer, path: str | os.PathLike[str]) -> AudioInfo | None:
    try:
        context = audio_stream(container, path).codec_context
    except AudioError:
        return None
    return AudioInfo(
        codec=context.codec.canonical_name, sample_rate=context.sample_rate, channels=context.channels
    )


def _probe_video(container: InputContainer, path: str | os.PathLike[str]) -> VideoInfo | None:
    if not moving_video_streams(container):
        return None
    stream = video_stream(container, path)
    context = stream.codec_context
    rotation = _rotation(container, stream)
    width, height = (
        (context.width, context.height) if rotation % 180 == 0 else (context.height, context.width)
    )
    form = context.format
    return VideoInfo(
        codec=context.codec.canonical_name,
        width=width,
        height=height,
        average_rate=stream.average_rate,
        pixel_format=form.name if form else "unknown",
        bit_depth=max((c.bits for c in form.components), default=8) if form else 8,
        has_alpha=has_alpha(form) if form else False,
        rotation=rotation,
        timecode=_timecode(container, stream),
    )


def _timecode(container: InputContainer, stream: VideoStream) -> str | None:
    """Of the video stream, the file, or a timecode track; FFmpeg's name for it differs in case."""
    places = [stream.metadata, container.metadata, *(other.metadata for other in container.streams.data)]
    found = [text for place in places for name, text in place.items() if name.lower() == "timecode"]
    return found[0] if found else None


def _rotation(container: InputContainer, stream: VideoStream) -> int:
    """PyAV shows the display matrix of a stream only on its frames."""
    for packet in islice(video_packets(container, stream), 32):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        if frames:
            return rotation_degrees(display_matrix(frames[0]))
    return 0
