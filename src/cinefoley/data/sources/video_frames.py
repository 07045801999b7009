"""Frames of a video file at a constant rate, as JPEGs for shards and for the frame cache."""

import warnings
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from cinefoley.config.frame_rate import FrameRate
from cinefoley.errors import MediaWarning
from cinefoley.media.frames.crop import last_frame_time
from cinefoley.media.frames.decoder import FrameReader
from cinefoley.media.frames.downscaling import DownscaledFrames, downscale
from cinefoley.media.frames.frame_source import FileFrames
from cinefoley.media.frames.jpeg import encode_jpeg
from cinefoley.media.frames.pixels import Pixels
from cinefoley.media.frames.sparse_decoder import decode_sparsely
from cinefoley.media.frames.video import sample_frames
from cinefoley.media.sections import Seconds, Section, as_frame_rate

__all__ = ["VideoFrames", "bounded_size", "read_video_frames"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFrames:
    """The frames of a video at a constant rate from its start."""

    frames: list[Pixels]
    """``(H, W, 3)`` uint8 each, all of one size."""
    progress: list[float]
    """Time of each frame as a fraction of the video, first frame 0 and last 1: places moving windows."""
    duration_s: float
    """Seconds of video, at most what was asked for."""
    damage: str | None
    """What was lost of the video, as a sentence; None if nothing was."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.frames[0].shape[0], self.frames[0].shape[1]

    def jpegs(self, quality: int) -> list[bytes]:
        """Every frame as JPEG, quality 1 to 95; the same bytes for the same video."""
        return [encode_jpeg(frame, quality=quality) for frame in self.frames]


def read_video_frames(
    path: Path, size: tuple[int, int], *, fps: Seconds | FrameRate, duration_s: float
) -> VideoFrames:
    """Decode frames of a video at a constant rate.

    Args:
        path: The video.
        size: Height and width to resize frames to, as :func:`bounded_size` returns.
        fps: Frames per second.
        duration_s: Seconds to read, from its start.

    Raises:
        MediaError: If the video cannot be read.
        VideoError: If it has no frame that decodes.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MediaWarning)
        frames, times, last, length_s = _decode(path, size, fps, duration_s)
    told = [str(warning.message) for warning in caught if issubclass(warning.category, MediaWarning)]
    progress = [min(1.0, float(time / last)) if last else 0.0 for time in times]
    return VideoFrames(
        frames=frames, progress=progress, duration_s=length_s, damage=told[0] if told else None
    )


def bounded_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Height and width with the shorter side at most ``short_side``, in the nearest aspect ratio.

    Examples:
        >>> bounded_size((360, 640), 256)
        (256, 455)
    """
    scale = Fraction(short_side, min(size))
    if scale >= 1:
        return size
    height, width = (max(1, int(side * scale + Fraction(1, 2))) for side in size)
    return height, width


def _decode(
    path: Path, size: tuple[int, int], fps: Seconds | FrameRate, duration_s: float
) -> tuple[list[Pixels], list[Fraction], Fraction, float]:
    """Frames, the time of each, the time of the video's last frame, and seconds of video."""
    rate, section = as_frame_rate(fps), Section.of(0, duration_s)
    assert section.duration is not None
    sparse = decode_sparsely(path, rate, section.duration, lambda pixels: downscale(pixels, size))
    if sparse is not None:
        return sparse.pixels, sparse.times, sparse.last, float(sparse.duration)
    with FrameReader(path) as reader:
        source = DownscaledFrames(FileFrames(reader), size)
        frames, indices, length_s = sample_frames(source, rate, None, section)
    return frames, [source.times[index] for index in indices], last_frame_time(path), length_s
