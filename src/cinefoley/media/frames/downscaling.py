"""Pictures of another source made smaller while they are picked, fast enough for 200,000 films."""

from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from cinefoley.media.frames.frame_source import Frame, FrameSource
from cinefoley.media.frames.pixels import Pixels

__all__ = ["DownscaledFrames", "downscale"]


class DownscaledFrames:
    """Pictures of another source, each made smaller before it is kept, and when each is shown.

    Args:
        source: The pictures.
        size: Height and width to resize_fast to; larger than a picture leaves it as it is.
    """

    def __init__(self, source: FrameSource, size: tuple[int, int]) -> None:
        self._source = source
        self._size = size
        self.name = source.name
        self.times: dict[int, Fraction] = {}
        """When each picture that was picked is first shown, in seconds from the first, by its number."""

    @property
    def end(self) -> Fraction:
        """End of the last picture seen so far, in seconds."""
        return self._source.end

    @property
    def is_finished(self) -> bool:
        """Whether all pictures have been seen."""
        return self._source.is_finished

    def __iter__(self) -> Iterator[tuple[Fraction, Frame]]:
        for time, picture in self._source:
            yield time, Frame(picture.index, lambda time=time, picture=picture: self._load(time, picture))  # type: ignore[misc]

    def _load(self, time: Fraction, picture: Frame) -> Pixels:
        self.times[picture.index] = time
        return downscale(picture.pixels(None), self._size)


def downscale(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Make a picture smaller: by averaging whole blocks first, bilinear for the rest, less than a half.

    Pillow's antialiased filter, which squashes frames for models, looks the same and takes ten times as long.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        size: Height and width; a picture that has no more pixels than that either way is given back.

    Returns:
        ``(*size, 3)`` uint8.
    """
    height, width = size
    if pixels.shape[0] <= height and pixels.shape[1] <= width:
        return pixels
    shrunk = np.ascontiguousarray(pixels)
    down, across = max(1, shrunk.shape[0] // height), max(1, shrunk.shape[1] // width)
    if down * across > 1:
        coarse = (-(-shrunk.shape[1] // across), -(-shrunk.shape[0] // down))
        shrunk = np.asarray(cv2.resize(shrunk, coarse, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
