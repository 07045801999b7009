"""Sample overlapping windows of frames along a video, with one decode and constant memory."""

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import tee

from torch import Tensor

from cinefoley.config.frame_rate import FrameRate
from cinefoley.media.frames.crop import Crop, CroppedFrames, FrameChange
from cinefoley.media.frames.decoder import FrameReader
from cinefoley.media.frames.frame_source import (
    FileFrames,
    FrameSource,
    check_reached,
    same_size,
    stack_frames,
)
from cinefoley.media.frames.pixels import Pixels
from cinefoley.media.frames.sampling import pick_frames, window_schedule
from cinefoley.media.frames.video import Video, memory_frames
from cinefoley.media.sections import Seconds, Section, as_fraction, as_frame_rate

__all__ = ["sample_windows", "stream_windows"]


def stream_windows(
    path: str | os.PathLike[str],
    *,
    starts: Sequence[Seconds],
    frames_per_window: int,
    fps: Seconds | FrameRate = 4,
    size: tuple[int, int] | None = None,
    start: Seconds = 0.0,
    duration: Seconds | None = None,
    crop: Crop | FrameChange | None = None,
    ends: Sequence[Seconds] | None = None,
) -> Iterator[Tensor]:
    """Yield windows of a video one after the other, with a single decode and constant memory.

    Frames are sampled from each window's own start: frame n of the window at ``s`` is the last source frame
    with a time before ``s + (n + 1/2) / fps``, so nothing drifts where a window is no whole number of
    frames; a :class:`~cinefoley.config.frame_rate.FrameRate` may choose otherwise. Past the end of the
    video, or of the section, the last frame is repeated. Only the windows that overlap at one place are held
    in memory.

    Args:
        path: Any video that FFmpeg reads.
        starts: Seconds from the section's start, ascending; windows may overlap.
        frames_per_window: T, at least 1.
        fps: Frames per second inside a window.
        size: Height and width to squash to; None keeps the upright frame.
        start: Where the section begins, in seconds from the first frame.
        duration: Seconds of the section; None reaches to the end.
        crop: Which box of the upright source frame to keep, or how to change the frame; ``size`` comes after.
        ends: For each window, seconds from the section's start at which its last frame is repeated, such as
            the end of its shot; ascending. None: none ends before the section.

    Yields:
        ``(T, 3, H, W)`` uint8 for each window, in the order of ``starts``.

    Raises:
        MediaError: If the file cannot be read.
        VideoError: If it has no frame, or ends before ``start``.
        ValueError: If a number is out of range, or ``starts`` does not ascend.

    Warns:
        MediaWarning: If frames are damaged, or the video is cut off before the last window ends.
    """
    section, rate = Section.of(start, duration), as_frame_rate(fps)
    begins = _check_starts(starts, frames_per_window, section)

    def windows() -> Iterator[Tensor]:
        first = begins[0] if begins else section.start
        with FrameReader(path, start=first) as reader:
            source: FrameSource = FileFrames(reader)
            if crop is not None:
                source = CroppedFrames(source, crop)
            yield from _assemble(source, begins, frames_per_window, rate, size, section, ends)

    return windows()


def sample_windows(
    video: Video,
    *,
    starts: Sequence[Seconds],
    frames_per_window: int,
    fps: Seconds | FrameRate = 4,
    size: tuple[int, int] | None = None,
    start: Seconds = 0.0,
    duration: Seconds | None = None,
    ends: Sequence[Seconds] | None = None,
) -> Iterator[Tensor]:
    """Sample windows of a clip in memory as :func:`stream_windows` samples those of a video.

    Args:
        video: The clip; its own rate should be well above ``fps``, or its frames are sampled twice.
        starts: As for :func:`stream_windows`.
        frames_per_window: As for :func:`stream_windows`.
        fps: As for :func:`stream_windows`.
        size: As for :func:`stream_windows`.
        start: As for :func:`stream_windows`, from the clip's start.
        duration: As for :func:`stream_windows`.
        ends: As for :func:`stream_windows`.

    Yields:
        ``(T, 3, H, W)`` uint8 for each window, in the order of ``starts``.

    Raises:
        VideoError: If the clip ends before ``start``.
        ValueError: If a number is out of range, or ``starts`` does not ascend.
    """
    section = Section.of(start, duration)
    begins = _check_starts(starts, frames_per_window, section)
    return _assemble(memory_frames(video), begins, frames_per_window, as_frame_rate(fps), size, section, ends)


def _check_starts(starts: Sequence[Seconds], frames_per_window: int, section: Section) -> list[Fraction]:
    if frames_per_window < 1:
        raise ValueError(f"frames_per_window must be at least 1, got {frames_per_window}")
    begins = [as_fraction(s) for s in starts]
    if begins != sorted(begins) or (begins and begins[0] < 0):
        raise ValueError("starts must ascend from 0 or later")
    return [section.start + begin for begin in begins]


def _assemble(
    source: FrameSource,
    begins: Sequence[Fraction],
    frames_per_window: int,
    rate: FrameRate,
    size: tuple[int, int] | None,
    section: Section,
    ends: Sequence[Seconds] | None,
) -> Iterator[Tensor]:
    """Sample every window in one pass; windows end in their order, because all are equally long."""
    limits = None if ends is None else [section.start + as_fraction(end) for end in ends]
    schedule, twin = tee(window_schedule(begins, frames_per_window, rate, end=section.end, ends=limits))
    picked = pick_frames(source, (instant for instant, _ in schedule), rate.choice)
    open_windows: dict[int, list[Pixels]] = {}
    for (_, number), (_, pixels) in zip(twin, same_size(picked, size), strict=True):
        check_reached(source, section.start)
        frames = open_windows.setdefault(number, [])
        frames.append(pixels)
        if len(frames) == frames_per_window:
            yield stack_frames(open_windows.pop(number))
