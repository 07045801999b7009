"""Crop the frames of a video to a box that may move with time, or change their pixels."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from cinefoley.media.containers import has_exact_seeks, open_media, video_stream
from cinefoley.media.frames.decoder import FrameReader
from cinefoley.media.frames.frame_source import ChangedFrames, Frame, FrameSource
from cinefoley.media.frames.pixels import Pixels
from cinefoley.media.timing import first_frame_time, packet_spans

__all__ = ["Crop", "CroppedFrames", "FrameChange", "last_frame_time"]

Crop = Callable[[Fraction, tuple[int, int]], tuple[int, int, int, int]]
"""From seconds since the first frame, and (height, width) of the upright frame, to the box
``(x0, y0, x1, y1)`` that is shown, in pixels; the right and lower edges lie outside it."""


@dataclass(frozen=True, slots=True)
class FrameChange:
    """Another change of frames than a crop: what is shown has other pixels than the source."""

    change: Callable[[Fraction, Pixels], Pixels]
    """From seconds since the first frame, and the upright frame ``(H, W, 3)``, to what is shown; all results
    have one size."""


class CroppedFrames(ChangedFrames):
    """Frames of another source, each cropped to its box or changed."""

    def __init__(self, source: FrameSource, crop: Crop | FrameChange) -> None:
        super().__init__(source)
        self._crop = crop

    def change(self, time: Fraction, frame: Frame) -> Pixels:
        """Return the pixels inside the box, or the changed ones."""
        pixels = frame.pixels(None)
        if isinstance(self._crop, FrameChange):
            return self._crop.change(time, pixels)
        x0, y0, x1, y1 = self._crop(time, (pixels.shape[0], pixels.shape[1]))
        return pixels[y0:y1, x0:x1]


def last_frame_time(path: str | os.PathLike[str]) -> Fraction:
    """When the last frame of a video begins, in seconds from the first. Read from the file, not decoded.

    Raises:
        MediaError: If the file cannot be read.
        VideoError: If it has no video stream, or no frame in it.
    """
    latest: Fraction | None = None
    with open_media(path) as container:
        stream = video_stream(container, path)
        if has_exact_seeks(container):  # AVI and raw streams store no such times: the decoder counts
            latest = max((begin for begin, _ in packet_spans(container, stream)), default=None)
    if latest is None:
        with FrameReader(path) as reader:
            return max(time for time, _ in reader)
    return max(Fraction(0), latest - first_frame_time(path))
