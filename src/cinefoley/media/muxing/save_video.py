"""Encode frames, and audio beside them, as a video file."""

import os
from fractions import Fraction

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from torch import Tensor

from cinefoley.media.audio.reader import Samples, slice_blocks
from cinefoley.media.audio.writer import as_samples
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.frames.video import Video, video_from_frames
from cinefoley.media.muxing.audio_track import AudioCodec, AudioTrack, place
from cinefoley.media.muxing.output import muxer_options, output_format
from cinefoley.media.sections import Seconds, as_rate

__all__ = ["save_video"]

_BT709 = 1


def save_video(
    path: str | os.PathLike[str],
    frames: Tensor | Video,
    fps: Seconds | None = None,
    *,
    waveform: Tensor | Samples | None = None,
    sample_rate: int | None = None,
    crf: int = 18,
    codec: AudioCodec | None = None,
) -> None:
    """Write frames, and audio if there is any, as a video that every player shows.

    H.264, 4:2:0, BT.709 (VP9 in webm). An odd width or height is made even by repeating the last column or
    row, because 4:2:0 has no odd sizes. The audio is cut, or padded with silence, to the length of the
    video.

    Args:
        path: ``.mp4``, ``.m4v``, ``.mov``, ``.mkv`` or ``.webm``.
        frames: ``(T, 3, H, W)`` uint8 RGB, T >= 1, or a clip.
        fps: Frames per second; a clip brings its own.
        waveform: ``(N,)`` or ``(channels, N)``, full scale at 1.
        sample_rate: Samples per second of the waveform.
        crf: Quality, 0 (best, large) to 51; 18 looks like the source.
        codec: The audio's codec; None takes AAC in mp4 and mov, FLAC in mkv, Opus in webm.

    Raises:
        MediaError: If the suffix is unknown or the container does not hold the codec.
        OutputError: If ``path`` cannot be written. Nothing is left behind then.
        ValueError: If shapes, dtypes or numbers are not as above.
        TypeError: If the frames are neither tensor nor clip.
    """
    video = _as_video(frames, fps)
    if waveform is not None and (sample_rate is None or sample_rate < 1):
        raise ValueError(f"a waveform needs its sample_rate, got {sample_rate}")
    form = output_format(path)
    options = muxer_options(form, sample_rate or 1000)
    with (
        atomic_write(path) as temporary,
        av.open(str(temporary), "w", format=form, container_options=options) as target,
    ):
        stream = _add_video_stream(target, video, crf)
        track = None
        if waveform is not None and sample_rate is not None:
            samples = as_samples(waveform)
            length = round(len(video) / video.fps * sample_rate)
            placed = place(slice_blocks(samples), samples.shape[0], 0, length)
            track = AudioTrack(target, placed, sample_rate, samples.shape[0], codec)
        for n, frame in enumerate(video.frames):
            if track is not None:
                track.write_until(n / video.fps)
            target.mux(stream.encode(_to_frame(frame, n, video.fps)))
        target.mux(stream.encode(None))
        if track is not None:
            track.finish()


def _as_video(frames: Tensor | Video, fps: Seconds | None) -> Video:
    if isinstance(frames, Video):
        return frames if fps is None else video_from_frames(frames.frames, fps)
    if not isinstance(frames, Tensor):
        raise TypeError(
            f"frames are a uint8 tensor (T, 3, H, W) or a Video, got {type(frames).__name__}; "
            "of a stage clip give its as_video()"
        )
    if fps is None:
        raise ValueError("frames without a rate: pass fps")
    return video_from_frames(frames, as_rate(fps))


def _add_video_stream(target: OutputContainer, video: Video, crf: int) -> VideoStream:
    height, width = video.size
    is_webm = target.format.name == "webm"
    options = {"crf": str(crf), "b": "0", "row-mt": "1"} if is_webm else {"crf": str(crf)}
    stream = target.add_stream("libvpx-vp9" if is_webm else "libx264", rate=video.fps, options=options)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = width + width % 2, height + height % 2
    stream.pix_fmt = "yuv420p"
    stream.colorspace = stream.color_primaries = stream.color_trc = _BT709
    stream.color_range = ColorRange.MPEG
    return stream


def _to_frame(pixels: Tensor, n: int, fps: Fraction) -> VideoFrame:
    array = pixels.permute(1, 2, 0).cpu().numpy()
    array = np.pad(array, ((0, array.shape[0] % 2), (0, array.shape[1] % 2), (0, 0)), mode="edge")
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    frame.pts, frame.time_base = n, 1 / fps
    return frame
