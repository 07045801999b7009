"""Downscale frames while they are sampled, fast enough for datasets of 200,000 videos."""

from fractions import Fraction

import cv2
import numpy as np

from cinefoley.media.frames.frame_source import ChangedFrames, Frame, FrameSource
from cinefoley.media.frames.pixels import Pixels

__all__ = ["DownscaledFrames", "downscale"]


class DownscaledFrames(ChangedFrames):
    """Frames of another source, each downscaled, and when each is shown.

    Args:
        source: The frames.
        size: Height and width; a smaller frame is left as it is.
    """

    def __init__(self, source: FrameSource, size: tuple[int, int]) -> None:
        super().__init__(source)
        self._size = size
        self.times: dict[int, Fraction] = {}
        """When each frame that was sampled is first shown, in seconds from the first, by its number."""

    def change(self, time: Fraction, frame: Frame) -> Pixels:
        """Return the downscaled pixels."""
        self.times[frame.index] = time
        return downscale(frame.pixels(None), self._size)


def downscale(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Downscale a frame: average whole blocks first, then bilinear for the rest, less than a half.

    Pillow's antialiased filter, which squashes frames for models, looks the same and takes ten times as long.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        size: Height and width; a frame that is no larger than that is returned as it is.

    Returns:
        ``(*size, 3)`` uint8.
    """
    height, width = size
    if pixels.shape[0] <= height and pixels.shape[1] <= width:
        return pixels
    smaller = np.ascontiguousarray(pixels)
    down, across = max(1, smaller.shape[0] // height), max(1, smaller.shape[1] // width)
    if down * across > 1:
        coarse = (-(-smaller.shape[1] // across), -(-smaller.shape[0] // down))
        smaller = np.asarray(cv2.resize(smaller, coarse, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.asarray(cv2.resize(smaller, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
