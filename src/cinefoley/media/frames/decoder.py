"""Decode the frames of a video in presentation order, with times, seeks and damage handled."""

import os
import shlex
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType

import av
from av.video.frame import VideoFrame

from cinefoley.errors import MediaWarning, VideoError
from cinefoley.media.containers import (
    has_exact_seeks,
    open_media,
    presentation_time,
    seek,
    video_packets,
    video_stream,
)
from cinefoley.media.files.resources import OpenedTogether
from cinefoley.media.timing import Timeline, frame_length, seconds, stated_end, warn_of_jumps

__all__ = ["FrameReader"]

_SEEK_FROM_S = 20  # decoding a few seconds is cheaper than a seek that lands wrong


class FrameReader(OpenedTogether):
    """Decode a video's frames once, from the one shown at ``start`` on, each with its time.

    Times count from the first frame of the file, in exact seconds. Frames that cannot be decoded are left
    out. After the iteration has run to the end, ``end`` is where the last frame stops being shown. At the
    end, or when the reader is closed early, a warning reports what was missing.
    """

    def __init__(self, path: str | os.PathLike[str], *, start: Fraction = Fraction(0)) -> None:
        self.path = Path(path)
        self.start = start
        self.end = Fraction(0)
        """End of the last frame seen so far, in seconds."""
        self.is_finished = False
        """Whether the video has been read to its end."""
        self.has_skipped = False
        """Whether a seek has skipped frames before ``start``."""
        self._damaged = 0
        self._origin = self._first_time = Fraction(0)

    def _open(self, opening: ExitStack) -> None:
        self._container = opening.enter_context(open_media(self.path))
        self._stream = video_stream(self._container, self.path)
        # Slice threads are faster here; frame threads delay and hold several frames each.
        self._stream.thread_type = "SLICE"
        self._stated_end = stated_end(self._container, self._stream)
        self._frame_length = frame_length(self._stream)
        self._timeline = Timeline(self._container, self._stream)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, exc, trace)
        if exc is None and not self.is_finished:  # a finished iteration has warned already
            self._warn_of_damage()

    def __iter__(self) -> Iterator[tuple[Fraction, VideoFrame]]:
        """Yield (seconds from the first frame, frame). To be called once.

        Raises:
            VideoError: If not one frame can be decoded.
        """
        frames = self._decode()
        first = next(frames, None)
        if first is None:
            raise VideoError(
                f"{self.path.name}: no frame in its {self._stream.codec_context.name} video stream can be "
                "decoded. Export the clip again; look at it with "
                f"`cinefoley doctor {shlex.quote(str(self.path))}`."
            )
        origin = self._origin = first[0]
        if self.start > _SEEK_FROM_S and has_exact_seeks(self._container):
            frames = self._after_seek(origin)
        if not self.has_skipped:
            self.end = first[1] - origin
            yield Fraction(0), first[2]
        last = Fraction(0)
        for time, end, frame in frames:
            last = max(last, time - origin)  # damaged files may step back; the rule needs ascending times
            self.end = max(self.end, end - origin)
            yield last, frame
        self.is_finished = True
        self._warn_of_losses(origin)

    def count_skipped(self) -> int:
        """Number of frames that a seek has skipped; counted in the file without decoding."""
        if not self.has_skipped:
            return 0
        with open_media(self.path) as container:
            stream = video_stream(container, self.path)
            times = (
                presentation_time(p, stream) for p in video_packets(container, stream) if not p.is_discard
            )
            return sum(1 for time in times if time is not None and self._origin <= time < self._first_time)

    def _decode(self) -> Iterator[tuple[Fraction, Fraction, VideoFrame]]:
        """Yield (time, end, frame), times as the file counts them."""
        lost_since, is_started = 0, False
        expected: Fraction | None = None
        for decoded in self._decoded_packets():
            if decoded is None or decoded.is_corrupt:
                lost_since += 1
                continue
            length = seconds(decoded.duration or None, decoded.time_base or self._stream.time_base)
            shown = presentation_time(decoded, self._stream)
            time, expected = self._timeline.span(shown, length, self._frame_length, expected)
            # What is lost before the first good frame, or after the last, is a matter of where the video
            # was cut.
            self._damaged += lost_since if is_started else 0
            lost_since, is_started = 0, True
            yield time, expected, decoded

    def _decoded_packets(self) -> Iterator[VideoFrame | None]:
        """Yield every decoded frame, and None for each packet that the decoder refuses."""
        for packet in video_packets(self._container, self._stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                yield None
                continue
            yield from frames
        try:
            yield from self._stream.decode(None)
        except av.FFmpegError:
            yield None

    def _after_seek(self, origin: Fraction) -> Iterator[tuple[Fraction, Fraction, VideoFrame]]:
        """Jump to the last key frame before ``start``, or back to the second frame where that fails."""
        for lead in (0, 10):
            if not seek(self._container, origin + self.start - lead, self._stream):
                break
            frames = self._decode()
            first = next((f for f in frames if f[2].key_frame), None)
            if first is not None and first[0] - origin <= self.start:
                self._damaged = 0  # frames that depend on those before the key frame are not needed
                self.has_skipped = True
                self._first_time = first[0]
                return chain([first], frames)
        self._resources.close()
        self.__enter__()
        frames = self._decode()
        next(frames, None)
        return frames

    def _warn_of_damage(self) -> None:
        if self._damaged:
            count = f"{self._damaged} frame{'s' if self._damaged > 1 else ''}"
            warnings.warn(
                f"{self.path.name}: skipped {count} that cannot be decoded; the one before is shown instead.",
                MediaWarning,
                stacklevel=3,
            )

    def _warn_of_losses(self, origin: Fraction) -> None:
        self._warn_of_damage()
        if self._timeline.has_jumped:
            warn_of_jumps(self.path)
            return  # the stated end may be one of the times that are not true
        stated = None if self._stated_end is None else self._stated_end - origin
        if stated is not None and self.end < stated - Fraction(1, 10) - self._frame_length:
            warnings.warn(
                f"{self.path.name}: is cut off or damaged: used the first {float(self.end):.1f} s "
                f"of {float(stated):.1f} s.",
                MediaWarning,
                stacklevel=3,
            )
