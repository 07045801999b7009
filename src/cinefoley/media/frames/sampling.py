"""Sampling rule: which source frame is shown at which instant, for files and for memory alike.

Everything is counted in exact fractions of a second, so a frame that falls on an instant is never a matter of
rounding.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import TypeVar

from cinefoley.config.frame_rate import FrameChoice, FrameRate

__all__ = [
    "frame_count",
    "pick_frames",
    "pick_regular",
    "sampling_end",
    "sampling_instant",
    "window_schedule",
]

FrameT = TypeVar("FrameT")


def frame_count(duration: Fraction, fps: Fraction) -> int:
    """How many frames at ``fps`` show ``duration`` seconds: as many as fit, rounded, at least one.

    Source: FFmpeg's ``fps`` filter, which rounds the end as it rounds every frame.
    """
    return max(1, floor(duration * fps + Fraction(1, 2)))


def sampling_instant(n: int, start: Fraction, rate: FrameRate) -> Fraction:
    """The instant for which frame n is chosen.

    Source: Diff-Foley reads its clips through FFmpeg's ``fps`` filter, where frame n is the last source frame
    with ``t < (n + 1/2) / fps``: that is ``start + (n + 1/2) / fps`` for ``before_middle``. For ``nearest``
    it is ``start + n / fps``.
    """
    return start + (n + (Fraction(1, 2) if rate.choice == "before_middle" else 0)) / rate.fps


def sampling_end(n: int, start: Fraction, rate: FrameRate) -> Fraction:
    """A video that ends before ``start + (n + 1/2) / fps`` has no frame n, however frames are chosen."""
    return start + (n + Fraction(1, 2)) / rate.fps


def pick_frames(
    frames: Iterable[tuple[Fraction, FrameT]],
    instants: Iterable[Fraction],
    choice: FrameChoice = "before_middle",
) -> Iterator[FrameT]:
    """For each instant yield the last frame whose time lies before it, or the one whose time is nearest.

    Args:
        frames: (time, frame) in ascending time; read only as far as the instants need.
        instants: Ascending, in the same seconds; may be endless, then the caller stops.
        choice: The rule; ``nearest`` takes the even one of two frames that are equally near.

    Yields:
        One frame per instant. Before the first frame it is the first, past the last frame the last; from no
        frames at all, nothing.
    """
    pending = iter(instants)
    instant = next(pending, None)
    held: list[FrameT] = []
    begun = Fraction(0)
    for number, (time, frame) in enumerate(frames):
        is_middle = choice == "before_middle"
        limit = time if is_middle else (begun + time) / 2
        takes_equal = is_middle or number % 2 == 1  # the frame before is the even one
        while held and instant is not None and (instant < limit or (takes_equal and instant == limit)):
            yield held[0]
            instant = next(pending, None)
        if instant is None:
            return
        held, begun = [frame], time
    while held and instant is not None:
        yield held[0]
        instant = next(pending, None)


def pick_regular(
    instants: Iterable[Fraction], source_fps: Fraction, choice: FrameChoice = "before_middle"
) -> list[int]:
    """The numbers of the frames that :func:`pick_frames` yields from an endless source of a constant rate.

    Examples:
        >>> pick_regular([Fraction(1, 24), Fraction(3, 24)], Fraction(30))
        [1, 3]
    """
    places = (instant * source_fps for instant in instants)
    if choice == "nearest":
        return [round(place) for place in places]
    return [max(0, ceil(place) - 1) for place in places]


def window_schedule(
    starts: Sequence[Fraction],
    frames_per_window: int,
    rate: FrameRate,
    *,
    end: Fraction | None = None,
    ends: Sequence[Fraction] | None = None,
) -> Iterator[tuple[Fraction, int]]:
    """Every sampling instant of every window, in ascending time, with the number of its window.

    Args:
        starts: Window starts in seconds, ascending; windows may overlap.
        frames_per_window: Frames in each window.
        rate: Frames per second inside a window, counted from its own start, and their choice.
        end: Instants beyond it are moved to it, so a window that reaches past the end repeats the last frame.
        ends: The same for each window by itself, such as the end of its shot.

    Yields:
        (instant, window number); each number ``frames_per_window`` times.
    """

    def of_window(number: int, start: Fraction) -> Iterator[tuple[Fraction, int]]:
        limits = [*([] if end is None else [end]), *([] if ends is None else [ends[number]])]
        for n in range(frames_per_window):
            yield min([sampling_instant(n, start, rate), *limits]), number

    return heapq.merge(*(of_window(number, start) for number, start in enumerate(starts)))
