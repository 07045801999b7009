"""Pictures by time, from a file or from memory, for whoever samples them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from cinefoley.errors import VideoError
from cinefoley.media.frames.decoder import FrameReader
from cinefoley.media.frames.pixels import Pixels, resize, to_rgb

__all__ = [
    "FileFrames",
    "Frame",
    "FrameSource",
    "MemoryFrames",
    "Resize",
    "check_reached",
    "same_size",
    "stack_frames",
]

Resize = Callable[[Pixels, tuple[int, int]], Pixels]
"""From pixels and a height and width to pixels of that size."""


class Frame:
    """One source frame, converted to pixels when first asked for and then kept.

    Args:
        index: Its number in the source.
        load: Gives its pixels, ``(H, W, 3)`` uint8.
        resize_fast: Brings them to a height and width; Pillow's filter unless the source says otherwise.
    """

    __slots__ = ("_load", "_pixels", "_squash", "index")

    def __init__(self, index: int, load: Callable[[], Pixels], *, resize_fast: Resize = resize) -> None:
        self.index = index
        self._load, self._squash = load, resize_fast
        self._pixels: Pixels | None = None

    def pixels(self, size: tuple[int, int] | None) -> Pixels:
        """``(H, W, 3)`` uint8, squashed to ``size``; to be asked for one size only."""
        if self._pixels is None:
            pixels = self._load()
            self._pixels = pixels if size is None else self._squash(pixels, size)
        return self._pixels


class FrameSource(Protocol):
    """Pictures in ascending time; knows, once run through, where the last one ends."""

    @property
    def name(self) -> str:
        """What messages call the source."""
        ...

    @property
    def end(self) -> Fraction:
        """End of the last picture seen so far, in seconds."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether all pictures have been seen."""
        ...

    def __iter__(self) -> Iterator[tuple[Fraction, Frame]]: ...


class FileFrames:
    """The pictures that a reader decodes."""

    def __init__(self, reader: FrameReader) -> None:
        self._reader = reader
        self.name = reader.path.name

    @property
    def end(self) -> Fraction:
        """End of the last picture seen so far, in seconds."""
        return self._reader.end

    @property
    def is_finished(self) -> bool:
        """Whether the film has been read to its end."""
        return self._reader.is_finished

    def __iter__(self) -> Iterator[tuple[Fraction, Frame]]:
        for index, (time, frame) in enumerate(self._reader):
            yield time, Frame(index, lambda frame=frame: to_rgb(frame))  # type: ignore[misc]


class MemoryFrames:
    """Frames in memory, at given times."""

    def __init__(self, frames: Tensor, times: Sequence[Fraction], duration: Fraction, name: str) -> None:
        self.name = name
        self.end = Fraction(0)
        self.is_finished = False
        self._frames, self._times, self._duration = frames, times, duration

    def __iter__(self) -> Iterator[tuple[Fraction, Frame]]:
        for index, time in enumerate(self._times):
            self.end = time
            frame = self._frames[index]
            yield time, Frame(index, lambda frame=frame: frame.permute(1, 2, 0).numpy())  # type: ignore[misc]
        self.end, self.is_finished = self._duration, True


def check_reached(source: FrameSource, start: Fraction) -> None:
    """Raise if the film has turned out to end before the section that was asked for begins.

    Raises:
        VideoError: If it has.
    """
    if source.is_finished and source.end <= start:
        raise VideoError(
            f"{source.name}: the picture lasts {float(source.end):.2f} s, so nothing begins at "
            f"{float(start):.2f} s. Choose an earlier start."
        )


def same_size(pictures: Iterable[Frame], size: tuple[int, int] | None) -> Iterator[tuple[Frame, Pixels]]:
    """Convert pictures to ``size``; where it is None, all to the size of the first (films may change)."""
    if size is not None and min(size) < 1:
        raise ValueError(f"size must be at least (1, 1), got {size}")
    for picture in pictures:
        pixels = picture.pixels(size)
        size = (pixels.shape[0], pixels.shape[1])
        yield picture, pixels


def stack_frames(frames: Sequence[Pixels]) -> Tensor:
    """Copy T frames ``(H, W, 3)`` into one tensor ``(T, 3, H, W)``.

    By NumPy, in one thread: on a busy machine torch.stack waits for its threads many times as long.
    """
    stacked = np.empty((len(frames), 3, *frames[0].shape[:2]), np.uint8)
    for n, pixels in enumerate(frames):
        stacked[n] = pixels.transpose(2, 0, 1)
    return torch.from_numpy(stacked)
