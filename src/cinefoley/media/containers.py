"""Open untrusted media files and select their streams and packets."""

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cinefoley.errors import AudioError, MediaError, VideoError

__all__ = [
    "MOST_PIXELS",
    "audio_stream",
    "describe_streams",
    "has_exact_seeks",
    "moving_video_streams",
    "open_media",
    "presentation_time",
    "seek",
    "short_format",
    "stored_packets",
    "video_packets",
    "video_stream",
]

StreamT = TypeVar("StreamT", bound=Stream)

# What FFmpeg would "play" although no video is in the file: text, scripts, playlists that name other files or
# hosts (and wait for more of them, for ever). They are never opened.
_TEXT = {"tty", "bin", "xbin", "adf", "idf", "ffmetadata", "rawvideo"}
_PLAYLISTS = {
    "hls",
    "applehttp",
    "concat",
    "concatf",
    "dash",
    "sdp",
    "rtsp",
    "rtp",
    "imf",
    "lavfi",
    "avisynth",
}
_STILL_PICTURE = {"image2", "image2pipe", "ico"}
_WEBM_CODECS = {"vp8", "vp9", "av1", "libdav1d", "libvpx", "libvpx-vp9", "opus", "vorbis", "webvtt"}
_NOT_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
MOST_PIXELS = 1 << 26
"""Of a frame, 8192x8192: a damaged header may state any size, and decoders then ask for gigabytes."""
_DECODER_LIMITS = {"max_pixels": str(MOST_PIXELS)}


@contextmanager
def open_media(path: str | os.PathLike[str]) -> Iterator[InputContainer]:
    """Open a media file for reading. Only local files are opened, whatever the file refers to.

    Args:
        path: A file of any container FFmpeg reads.

    Yields:
        The open container.

    Raises:
        MediaError: If the path is missing, a folder, empty, unreadable, or no media file, or if FFmpeg fails
            on its content inside the block.
    """
    _check_is_file(Path(path))
    try:
        # An absolute path, for FFmpeg takes what stands before a colon for a protocol.
        container = av.open(
            str(Path(path).absolute()),
            "r",
            container_options={"protocol_whitelist": "file", "format_whitelist": _readable_formats()},
            options=_DECODER_LIMITS,
            metadata_errors="replace",
        )
    except av.FFmpegError as exc:
        raise MediaError(_explain_unopened(Path(path), exc)) from exc
    with container:
        if set(container.format.name.split(",")) & _STILL_PICTURE or container.format.name.endswith("_pipe"):
            raise VideoError(f"{Path(path).name}: is a still image ({container.format.name}), not a video.")
        for stream in container.streams:
            if stream.codec_context is not None:
                stream.codec_context.options = dict(_DECODER_LIMITS)
        try:
            yield container
        except av.FFmpegError as exc:
            raise MediaError(
                f"{Path(path).name}: is damaged: FFmpeg cannot read on in it ({exc.strerror}). Get it again."
            ) from exc


def video_stream(container: InputContainer, path: str | os.PathLike[str]) -> VideoStream:
    """Return the video stream: the default one, else the first. Cover art is not a video stream.

    Raises:
        VideoError: If there is none, or none that can be decoded.
    """
    name = Path(path).name
    streams = moving_video_streams(container)
    if not streams:
        raise VideoError(
            f"{name}: no video stream (found {describe_streams(container)}). cinefoley needs a clip with "
            f"a video stream; look at it with `cinefoley doctor {shlex.quote(str(path))}`."
        )
    usable = [s for s in streams if s.codec_context is not None]
    if not usable:
        raise VideoError(
            f"{name}: its frames are in a codec that this FFmpeg does not know. Convert it to H.264 first."
        )
    return next((s for s in usable if s.disposition & Disposition.default), usable[0])


def audio_stream(container: InputContainer, path: str | os.PathLike[str]) -> AudioStream:
    """Return the audio stream: the default one, else the first.

    Raises:
        AudioError: If there is none, or none that can be decoded.
    """
    usable = [s for s in container.streams.audio if s.codec_context is not None]
    if not usable:
        found = describe_streams(container)
        raise AudioError(f"{Path(path).name}: no audio that can be decoded (found {found}).")
    return next((s for s in usable if s.disposition & Disposition.default), usable[0])


def moving_video_streams(container: InputContainer) -> list[VideoStream]:
    """All video streams except cover art and thumbnails."""
    return [s for s in container.streams.video if not s.disposition & _NOT_PICTURES]


def describe_streams(container: InputContainer) -> str:
    """Describe the streams of a container, as in ``1 audio stream, mp4``."""
    counts: dict[str, int] = {}
    for stream in container.streams:
        kind = "cover image" if stream.disposition & _NOT_PICTURES else f"{stream.type} stream"
        counts[kind] = counts.get(kind, 0) + 1
    words = [f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in counts.items()] or ["no stream at all"]
    return ", ".join([*words, short_format(container)])


def short_format(container: InputContainer) -> str:
    """The container's usual name: ``mp4`` rather than FFmpeg's ``mov,mp4,m4a,3gp,3g2,mj2``."""
    name = container.format.name
    if name.startswith("mov,"):
        return "mov" if container.metadata.get("major_brand", "").startswith("qt") else "mp4"
    if name.startswith("matroska"):
        codecs = {s.codec_context.name for s in container.streams if s.codec_context is not None}
        return "webm" if codecs and codecs <= _WEBM_CODECS else "mkv"
    return name


def has_exact_seeks(container: InputContainer) -> bool:
    """Whether timestamps after a seek can be trusted; in AVI, MPEG-PS and raw streams they cannot."""
    return container.format.name.startswith(("mov,", "matroska", "mpegts", "wav", "flac"))


def presentation_time(item: "Packet[VideoStream] | VideoFrame", stream: VideoStream) -> Fraction | None:
    """When a frame is shown, in seconds as the file counts them; None where it does not say.

    AVI stores no presentation times, and those guessed for it are wrong where frames are stored out of order:
    there the decoding times count, in which decoded frames come one after the other.
    """
    ticks = item.dts if item.pts is None or stream.container.format.name == "avi" else item.pts
    time_base = item.time_base or stream.time_base  # frames flushed at the end have none
    return None if ticks is None or time_base is None else ticks * time_base


def stored_packets(
    container: InputContainer, streams: StreamT | Sequence[StreamT]
) -> "Iterator[Packet[StreamT]]":
    """Yield packets in stored order, up to where the file breaks off.

    The last ones are empty: decoded, they give what the decoders still hold.
    """
    packets = cast("Iterator[Packet[StreamT]]", container.demux(streams))
    while True:
        try:
            yield next(packets)
        # PyAV raises IndexError at the end of a file in which streams appeared after its beginning, as they
        # do in a damaged transport stream.
        except (StopIteration, IndexError, av.FFmpegError):
            return


def seek(container: InputContainer, time_s: Fraction, stream: Stream | None = None) -> bool:
    """Go to the last key packet before a time as the file counts it; return whether that worked.

    Args:
        container: An open file.
        time_s: Seconds.
        stream: Whose packets and time base count; None leaves the choice to FFmpeg.
    """
    time_base = (stream and stream.time_base) or Fraction(1, av.time_base)
    try:
        container.seek(int(time_s / time_base), stream=stream)
    except (av.FFmpegError, OverflowError):  # damaged times may lie beyond 64 bits
        return False
    return True


def video_packets(container: InputContainer, stream: VideoStream) -> Iterator["Packet[VideoStream]"]:
    """Yield the coded frames of ``stream`` in stored order, up to where the file breaks off.

    A last packet that the end of the file has cut is left out; so are the empty packets PyAV flushes with.
    """
    held: Packet[VideoStream] | None = None
    for packet in stored_packets(container, stream):
        if packet.size == 0:
            continue
        if held is not None:
            yield held
        held = packet
    if held is not None and not held.is_corrupt:
        yield held


@cache
def _readable_formats() -> str:
    names = [name for name in av.formats_available if not set(name.split(",")) & (_TEXT | _PLAYLISTS)]
    return ",".join(sorted(names))


def _check_is_file(path: Path) -> None:
    try:
        if not path.exists():
            raise MediaError(f"{path}: no such file.")
        if path.is_dir():
            raise MediaError(f"{path}: is a folder, not a media file. Name the files in it.")
        if not path.is_file():
            raise MediaError(f"{path}: is not a regular file. Copy the video to a file first.")
        if path.stat().st_size == 0:
            raise MediaError(f"{path.name}: is empty (0 bytes). Copy or download it again.")
    except OSError as exc:
        raise MediaError(f"{path}: cannot be read ({exc.strerror}).") from exc


def _explain_unopened(path: Path, exc: av.FFmpegError) -> str:
    if isinstance(exc, OSError):
        return f"{path}: cannot be read ({exc.strerror})."
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] in {b"ftyp", b"mdat", b"wide", b"free", b"skip"}:
        return f"{path.name}: its index is missing, so nothing in it can be played: cut off? Get it again."
    return (
        f"{path.name}: is not a media file ({path.stat().st_size} bytes that FFmpeg cannot read). "
        "cinefoley needs a video, such as an mp4, mov, mkv or webm."
    )
