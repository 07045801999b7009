"""Sampling rule: which source frame is shown at which instant, for files and for memory alike.

Everything is counted in exact fractions of a second, so a frame that falls on an instant is never a matter of
rounding.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import floor
from typing import TypeVar

__all__ = [
    "frame_count",
    "pick_frames",
    "sampling_instant",
    "window_schedule",
]

FrameT = TypeVar("FrameT")


def frame_count(duration: Fraction, fps: Fraction) -> int:
    """How many frames at ``fps`` show ``duration`` seconds: as many as fit, rounded, at least one.

    Source: FFmpeg's ``fps`` filter, which rounds the end as it rounds every frame.
    """
    return max(1, floor(duration * fps + Fraction(1, 2)))


def sampling_instant(n: int, start: Fraction, fps: Fraction) -> Fraction:
    """The instant before which frame n must have begun: ``start + (n + 1/2) / fps``.

    Source: Diff-Foley reads its clips through FFmpeg's ``fps`` filter, where frame n is the last source frame
    with ``t < (n + 1/2) / fps``.
    """
    return start + (n + Fraction(1, 2)) / fps


def pick_frames(frames: Iterable[tuple[Fraction, FrameT]], instants: Iterable[Fraction]) -> Iterator[FrameT]:
    """For each instant yield the last frame whose time lies before it.

    Args:
        frames: (time, frame) in ascending time; read only as far as the instants need.
        instants: Ascending, in the same seconds; may be endless, then the caller stops.

    Yields:
        One frame per instant. Before the first frame it is the first, past the last frame the last; from no
        frames at all, nothing.
    """
    pending = iter(instants)
    instant = next(pending, None)
    held: list[FrameT] = []
    for time, frame in frames:
        while held and instant is not None and time >= instant:
            yield held[0]
            instant = next(pending, None)
        if instant is None:
            return
        held = [frame]
    while held and instant is not None:
        yield held[0]
        instant = next(pending, None)


def window_schedule(
    starts: Sequence[Fraction], frames_per_window: int, fps: Fraction, *, end: Fraction | None = None
) -> Iterator[tuple[Fraction, int]]:
    """Every sampling instant of every window, in ascending time, with the number of its window.

    Args:
        starts: Window starts in seconds, ascending; windows may overlap.
        frames_per_window: Frames in each window.
        fps: Frames per second inside a window, counted from its own start.
        end: Instants beyond it are moved to it, so a window that reaches past the end repeats the last frame.

    Yields:
        (instant, window number); each number ``frames_per_window`` times.
    """

    def of_window(number: int, start: Fraction) -> Iterator[tuple[Fraction, int]]:
        for n in range(frames_per_window):
            instant = sampling_instant(n, start, fps)
            yield (instant if end is None else min(instant, end)), number

    return heapq.merge(*(of_window(number, start) for number, start in enumerate(starts)))
