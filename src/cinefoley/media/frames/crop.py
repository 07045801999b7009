"""A window of a film's pictures, that may move while the film runs."""

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

from cinefoley.media.containers import has_exact_seeks, open_media, video_stream
from cinefoley.media.frames.decoder import FrameReader
from cinefoley.media.frames.frame_source import Frame, FrameSource
from cinefoley.media.frames.pixels import Pixels
from cinefoley.media.timing import first_frame_time, packet_spans

__all__ = ["Crop", "CroppedFrames", "last_frame_time"]

Crop = Callable[[Fraction, tuple[int, int]], tuple[int, int, int, int]]
"""From seconds since the first picture, and (height, width) of the upright frame, to the box
``(x0, y0, x1, y1)`` that is shown, in pixels; the right and lower edges lie outside it."""


class CroppedFrames:
    """Pictures of another source, each cut to its box before anything else is done to its pixels."""

    def __init__(self, source: FrameSource, crop: Crop) -> None:
        self._source = source
        self._crop = crop
        self.name = source.name

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
            yield time, Frame(picture.index, self._loader(picture, time))

    def _loader(self, picture: Frame, time: Fraction) -> Callable[[], Pixels]:
        def load() -> Pixels:
            pixels = picture.pixels(None)
            x0, y0, x1, y1 = self._crop(time, (pixels.shape[0], pixels.shape[1]))
            return pixels[y0:y1, x0:x1]

        return load


def last_frame_time(path: str | os.PathLike[str]) -> Fraction:
    """When the last picture of a film begins, in seconds from the first. Read from the file, not decoded.

    Raises:
        MediaError: If the file cannot be read.
        VideoError: If it has no picture stream, or no picture in it.
    """
    latest: Fraction | None = None
    with open_media(path) as container:
        stream = video_stream(container, path)
        if has_exact_seeks(container):  # AVI and raw streams store no such times: the decoder counts
            latest = max((begin for begin, _ in packet_spans(container, stream)), default=None)
    if latest is None:
        with FrameReader(path) as reader:
            return max(time for time, _ in reader)
    with open_media(path) as container:
        return max(Fraction(0), latest - first_frame_time(container, Path(path)))
