"""Load a video, or a section of it, as frames at a constant rate, with one decode."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path

import torch
from torch import Tensor

from cinefoley.config.frame_rate import FrameRate
from cinefoley.media.frames.crop import Crop, CroppedFrames, FrameChange
from cinefoley.media.frames.decoder import FrameReader
from cinefoley.media.frames.frame_source import (
    FileFrames,
    FrameSource,
    RegularFrames,
    check_reached,
    same_size,
    stack_frames,
)
from cinefoley.media.frames.pixels import Pixels
from cinefoley.media.frames.sampling import frame_count, pick_frames, sampling_end, sampling_instant
from cinefoley.media.sections import Seconds, Section, as_fraction, as_frame_rate, as_rate

__all__ = [
    "Video",
    "load_video",
    "resample_video",
    "sample_frames",
    "sample_video",
    "video_from_frames",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Video:
    """A clip in memory, at a constant rate."""

    frames: Tensor
    """RGB, ``(T, 3, H, W)``, uint8."""
    times: Tensor
    """``n / fps`` for each frame, seconds from the clip's start, ``(T,)``, float64."""
    fps: Fraction
    """Frames per second."""
    duration: float
    """Seconds of video that the clip covers; ``T / fps`` is this rounded to whole frames."""
    source_indices: Tensor
    """Which frame of the video each one is, counted from 0 as they are shown, ``(T,)``, int64."""
    path: Path | None = None
    """The file it came from."""
    start: float = 0.0
    """Start of the clip in the video, in seconds from the first frame."""

    def __len__(self) -> int:
        return self.frames.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.frames.shape[2], self.frames.shape[3]


def load_video(
    path: str | os.PathLike[str],
    fps: Seconds | FrameRate = 4,
    size: tuple[int, int] | None = None,
    start: Seconds = 0.0,
    duration: Seconds | None = None,
    *,
    crop: Crop | FrameChange | None = None,
) -> Video:
    """Read a video, or a section of it, at a constant frame rate.

    Frame n is the last source frame with a time before ``start + (n + 1/2) / fps``, by the timestamps of the
    file, so variable frame rates come out right; a :class:`~cinefoley.config.frame_rate.FrameRate` may choose
    otherwise. Phone rotation is applied; what is transparent is shown over
    black; interlaced frames stay woven.

    Source: the rounding of FFmpeg's ``fps`` filter, through which Diff-Foley reads its clips.

    Args:
        path: Any video that FFmpeg reads.
        fps: Frames per second to sample at; may lie above the video's own rate.
        size: Height and width to squash to (antialiased, aspect ratio not kept); None keeps the upright
            frame.
        start: Seconds from the first frame.
        duration: Seconds to read; None, or more than there is, reads to the end.
        crop: Which box of the upright source frame to keep, or how to change the frame; ``size`` comes after.

    Returns:
        The clip: ``duration * fps`` frames, rounded, at least one.

    Raises:
        MediaError: If the file cannot be read.
        VideoError: If it has no video stream, no frame that decodes, or ends before ``start``.
        ValueError: If ``fps``, ``size``, ``start`` or ``duration`` is out of range.

    Warns:
        MediaWarning: If frames are damaged, or the video is cut off before the section ends.

    Examples:
        >>> video = load_video("rain.mp4", fps=4, size=(224, 224))  # doctest: +SKIP
        >>> video.frames.shape, video.duration  # doctest: +SKIP
        (torch.Size([40, 3, 224, 224]), 10.046511627906977)
    """
    section = Section.of(start, duration)
    with FrameReader(path, start=section.start) as reader:
        source: FrameSource = FileFrames(reader)
        if crop is not None:
            source = CroppedFrames(source, crop)
        return sample_video(source, as_frame_rate(fps), size, section, Path(path), reader.count_skipped)


def video_from_frames(frames: Tensor, fps: Seconds) -> Video:
    """Make a clip from frames in memory, each shown for ``1 / fps`` seconds.

    Args:
        frames: ``(T, 3, H, W)``, uint8, T >= 1.
        fps: Their rate.

    Returns:
        The clip; it shares the memory of ``frames``.

    Raises:
        ValueError: If shape, dtype or rate is another.
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.dtype != torch.uint8 or 0 in frames.shape:
        raise ValueError(f"frames must be uint8 (T, 3, H, W), got {frames.dtype} {tuple(frames.shape)}")
    rate = as_rate(fps)
    count = torch.arange(len(frames))
    return Video(
        frames=frames,
        times=count.double() / float(rate),
        fps=rate,
        duration=float(len(frames) / rate),
        source_indices=count,
    )


def resample_video(
    video: Video,
    fps: Seconds | FrameRate = 4,
    size: tuple[int, int] | None = None,
    start: Seconds = 0.0,
    duration: Seconds | None = None,
) -> Video:
    """Sample a clip in memory as :func:`load_video` samples a video.

    Args:
        video: The clip.
        fps: As for :func:`load_video`.
        size: As for :func:`load_video`.
        start: Seconds from the clip's start.
        duration: As for :func:`load_video`.

    Returns:
        A new clip; ``source_indices`` count the frames of ``video``.

    Raises:
        VideoError: If the clip ends before ``start``.
        ValueError: If a number is out of range.
    """
    return sample_video(
        memory_frames(video), as_frame_rate(fps), size, Section.of(start, duration), video.path
    )


def memory_frames(video: Video) -> RegularFrames:
    """The frames of a clip in memory, by their exact times."""
    duration = as_fraction(video.duration)
    # A duration that was once T / fps is that again, and not a float near it.
    whole = len(video) / video.fps
    exact = whole if abs(whole - duration) < Fraction(1, 1_000_000) else duration
    name = video.path.name if video.path else "the clip"
    return RegularFrames(
        len(video), video.fps, exact, name, lambda n: video.frames[n].permute(1, 2, 0).numpy()
    )


def sample_video(
    source: FrameSource,
    rate: FrameRate,
    size: tuple[int, int] | None,
    section: Section,
    path: Path | None,
    count_skipped: Callable[[], int] = lambda: 0,
) -> Video:
    """Sample one section of any source of frames from beginning to end.

    Args:
        source: The frames; only sampled ones are converted to pixels.
        rate: Frames per second, and their choice.
        size: Height and width to squash to; None keeps the first frame's.
        section: Which part.
        path: The file, where there is one.
        count_skipped: Frames of the video before the source's first.

    Raises:
        VideoError: If the source ends before the section begins.
    """
    frames, indices, duration = sample_frames(source, rate, size, section)
    return Video(
        frames=stack_frames(frames),
        times=torch.arange(len(frames)).double() / float(rate.fps),
        fps=rate.fps,
        duration=duration,
        source_indices=torch.tensor(indices) + count_skipped(),
        path=path,
        start=float(section.start),
    )


def sample_frames(
    source: FrameSource, rate: FrameRate, size: tuple[int, int] | None, section: Section
) -> tuple[list[Pixels], list[int], float]:
    """Sample as :func:`sample_video` does, and return lists.

    Returns:
        The frames, which frame of the source each one is, and seconds of video in the section.

    Raises:
        VideoError: If the source ends before the section begins.
    """
    numbers = count() if section.duration is None else range(frame_count(section.duration, rate.fps))
    frames, indices = list[Pixels](), list[int]()
    source_frames = iter(source)
    instants = (sampling_instant(n, section.start, rate) for n in numbers)
    picked = pick_frames(source_frames, instants, rate.choice)
    for frame, pixels in same_size(picked, size):
        check_reached(source, section.start)
        if frames and source.is_finished and sampling_end(len(frames), section.start, rate) > source.end:
            break
        frames.append(pixels)
        indices.append(frame.index)
    while not source.is_finished and section.end is not None and source.end < section.end:
        next(source_frames, None)  # only to learn whether the video lasts as long as was asked for
    end = source.end if section.end is None else min(source.end, section.end)
    return frames, indices, float(end - section.start)
