"""Sources of frames with times, from a file or from memory; frames become pixels only when asked for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from cinefoley.errors import VideoError
from cinefoley.media.frames.decoder import FrameReader
from cinefoley.media.frames.pixels import Pixels, resize, to_rgb

__all__ = [
    "ChangedFrames",
    "FileFrames",
    "Frame",
    "FrameSource",
    "RegularFrames",
    "Resize",
    "check_reached",
    "same_size",
    "stack_frames",
]

Resize = Callable[[Pixels, tuple[int, int]], Pixels]
"""From pixels and a height and width to pixels of that size."""


class Frame:
    """One source frame, converted to pixels when they are first asked for, and then held in memory.

    Args:
        index: Its number in the source.
        load: Gives its pixels, ``(H, W, 3)`` uint8.
        resize_by: Resizes them; Pillow's filter unless the source chooses another.
    """

    __slots__ = ("_load", "_pixels", "_resize", "index")

    def __init__(self, index: int, load: Callable[[], Pixels], *, resize_by: Resize = resize) -> None:
        self.index = index
        self._load, self._resize = load, resize_by
        self._pixels: Pixels | None = None

    def pixels(self, size: tuple[int, int] | None) -> Pixels:
        """``(H, W, 3)`` uint8, squashed to ``size``; to be asked for one size only."""
        if self._pixels is None:
            pixels = self._load()
            self._pixels = pixels if size is None else self._resize(pixels, size)
        return self._pixels


class FrameSource(Protocol):
    """Frames in ascending time; after the last one, ``end`` is where it stops being shown."""

    @property
    def name(self) -> str:
        """What messages call the source."""
        ...

    @property
    def end(self) -> Fraction:
        """End of the last frame seen so far, in seconds."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether all frames have been seen."""
        ...

    def __iter__(self) -> Iterator[tuple[Fraction, Frame]]: ...


class _FollowingFrames:
    """Base of sources that take their frames, and the end of the last one, from another source."""

    def __init__(self, origin: FrameSource | FrameReader, name: str) -> None:
        self._origin = origin
        self.name = name

    @property
    def end(self) -> Fraction:
        """End of the last frame seen so far, in seconds."""
        return self._origin.end

    @property
    def is_finished(self) -> bool:
        """Whether all frames have been seen."""
        return self._origin.is_finished


class FileFrames(_FollowingFrames):
    """The frames that a reader decodes."""

    def __init__(self, reader: FrameReader) -> None:
        super().__init__(reader, reader.path.name)
        self._reader = reader

    def __iter__(self) -> Iterator[tuple[Fraction, Frame]]:
        for index, (time, frame) in enumerate(self._reader):
            yield time, Frame(index, partial(to_rgb, frame))


class ChangedFrames(_FollowingFrames):
    """Frames of another source, their pixels changed before anything else is done to them."""

    def __init__(self, source: FrameSource) -> None:
        super().__init__(source, source.name)
        self._source = source

    def __iter__(self) -> Iterator[tuple[Fraction, Frame]]:
        for time, frame in self._source:
            yield time, Frame(frame.index, partial(self.change, time, frame))

    def change(self, time: Fraction, frame: Frame) -> Pixels:
        """Return the changed pixels of a frame."""
        raise NotImplementedError


class RegularFrames:
    """Frames at a constant rate, each loaded when its pixels are first asked for.

    Args:
        count: How many there are.
        fps: Their rate; frame n is shown from ``n / fps`` on.
        duration: Where the last one stops being shown, in seconds.
        name: What messages call them.
        load: From the number of a frame to its pixels, ``(H, W, 3)`` uint8.
        resize_by: Resizes the pixels.
    """

    def __init__(
        self,
        count: int,
        fps: Fraction,
        duration: Fraction,
        name: str,
        load: Callable[[int], Pixels],
        *,
        resize_by: Resize = resize,
    ) -> None:
        self.name = name
        self.end = Fraction(0)
        self.is_finished = False
        self._count, self._fps, self._duration = count, fps, duration
        self._load, self._resize = load, resize_by

    def __iter__(self) -> Iterator[tuple[Fraction, Frame]]:
        for index in range(self._count):
            self.end = index / self._fps
            yield self.end, Frame(index, partial(self._load, index), resize_by=self._resize)
        self.end, self.is_finished = max(self._duration, self.end), True


def check_reached(source: FrameSource, start: Fraction) -> None:
    """Raise an error if the video ends before the section begins.

    Raises:
        VideoError: If it has.
    """
    if source.is_finished and source.end <= start:
        raise VideoError(
            f"{source.name}: the video lasts {float(source.end):.2f} s, so nothing begins at "
            f"{float(start):.2f} s. Choose an earlier start."
        )


def same_size(frames: Iterable[Frame], size: tuple[int, int] | None) -> Iterator[tuple[Frame, Pixels]]:
    """Convert frames to ``size``; where it is None, all to the size of the first (videos may change)."""
    if size is not None and min(size) < 1:
        raise ValueError(f"size must be at least (1, 1), got {size}")
    for frame in frames:
        pixels = frame.pixels(size)
        size = (pixels.shape[0], pixels.shape[1])
        yield frame, pixels


def stack_frames(frames: Sequence[Pixels]) -> Tensor:
    """Copy T frames ``(H, W, 3)`` into one tensor ``(T, 3, H, W)``.

    By NumPy, in one thread: on a busy machine torch.stack waits for its threads many times as long.
    """
    stacked = np.empty((len(frames), 3, *frames[0].shape[:2]), np.uint8)
    for n, pixels in enumerate(frames):
        stacked[n] = pixels.transpose(2, 0, 1)
    return torch.from_numpy(stacked)
