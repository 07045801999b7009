"""Timestamps of a video: first frame, duration, stated end, and times that cannot be true."""

import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from cinefoley.errors import MediaWarning, VideoError
from cinefoley.media.containers import (
    has_exact_seeks,
    open_media,
    presentation_time,
    seek,
    video_packets,
    video_stream,
)

__all__ = [
    "Timeline",
    "exact_video_duration",
    "first_frame_time",
    "frame_length",
    "packet_spans",
    "seconds",
    "stated_end",
    "video_duration",
    "warn_of_jumps",
]

_TAIL_S = 10
_LONGEST_GAP_S = 600


def seconds(ticks: int | None, time_base: Fraction | None) -> Fraction | None:
    """Ticks of a time base in seconds, exactly; None where the file does not say."""
    return None if ticks is None or time_base is None else ticks * time_base


def frame_length(stream: VideoStream) -> Fraction:
    """Seconds that a frame is shown where the file does not say: the average of the stream."""
    rate = stream.average_rate or Fraction(25)
    return 1 / (rate if rate * _LONGEST_GAP_S >= 1 else Fraction(25))


class Timeline:
    """Decides which of a stream's times can be true.

    Damaged files and joined transport streams state times that are hours away from all others. Taken as they
    are, one of them would make a clip of one second a day long. A time more than ten minutes away from where
    the last frame or audio ended is true only inside the length that a header states.

    Args:
        container: The file.
        stream: One of its streams.
    """

    def __init__(self, container: InputContainer, stream: Stream) -> None:
        self._stated_end = None if _is_estimate(container) else stated_end(container, stream)
        self.has_jumped = False
        """Whether a time was not true."""

    def is_true(self, time: Fraction, expected: Fraction) -> bool:
        """Whether a time, in seconds as the file counts them, can be true where another was expected."""
        is_far = abs(time - expected) > _LONGEST_GAP_S
        is_stated = self._stated_end is not None and expected < time <= self._stated_end + 1
        self.has_jumped |= is_far and not is_stated
        return is_stated or not is_far

    def span(
        self, time: Fraction | None, length: Fraction | None, usual: Fraction, expected: Fraction | None
    ) -> tuple[Fraction, Fraction]:
        """Begin and end of a frame.

        Args:
            time: When it is shown, as the file states it.
            length: For how long, as the file states it.
            usual: For how long, where it states nothing that can be true.
            expected: End of the frame before; None for the first.
        """
        if time is None or (expected is not None and not self.is_true(time, expected)):
            time = expected or Fraction(0)
        end = time + (length or usual)
        return time, end if self.is_true(end, time) else time + usual


def stated_end(container: InputContainer, stream: Stream) -> Fraction | None:
    """Where the file says that its frames end, in seconds as it counts them; None where it does not say."""
    length = seconds(stream.duration, stream.time_base)
    if length is not None:
        return (seconds(stream.start_time, stream.time_base) or Fraction(0)) + length
    if "DURATION" in stream.metadata:  # Matroska, as hours:minutes:seconds.nanoseconds
        try:
            hours, minutes, rest = stream.metadata["DURATION"].split(":")
            return int(hours) * 3600 + int(minutes) * 60 + Fraction(rest.strip("\x00 "))
        except (ValueError, ZeroDivisionError):
            return None
    if container.duration is not None and len(container.streams) == 1:
        return Fraction((container.start_time or 0) + container.duration, av.time_base)
    return None


def warn_of_jumps(path: Path) -> None:
    """Warn that some times of a file were not used."""
    warnings.warn(
        f"{path.name}: its timestamps jump by more than {_LONGEST_GAP_S // 60} minutes; they were "
        "ignored there, and what follows joins what came before. Convert the file first if that is wrong.",
        MediaWarning,
        stacklevel=4,
    )


def first_frame_time(path: str | os.PathLike[str]) -> Fraction:
    """When the first frame that decodes is shown, in seconds as the file counts them; 0 without frames.

    Raises:
        MediaError: If the file cannot be read.
    """
    with open_media(path) as container:
        try:
            stream = video_stream(container, path)
        except VideoError:
            return Fraction(0)
        for packet in video_packets(container, stream):
            with suppress(av.FFmpegError):
                for frame in packet.decode():
                    time = presentation_time(frame, stream)
                    if not frame.is_corrupt and time is not None:
                        return time
        return seconds(stream.start_time, stream.time_base) or Fraction(0)


def video_duration(path: str | os.PathLike[str]) -> float:
    """Duration of a video stream, from its first frame to the end of its last, without decoding it.

    It is computed from the timestamps of the last frames. The header's counts the audio too, is wrong in
    files that are cut off, and missing in many.

    Args:
        path: A video.

    Returns:
        Seconds; the same that decoding every frame gives.

    Raises:
        MediaError: If the file cannot be read.
        VideoError: If it has no video stream, or no frame in it.
    """
    return float(exact_video_duration(path))


def exact_video_duration(path: str | os.PathLike[str]) -> Fraction:
    """:func:`video_duration` as a fraction."""
    span = _span_after_seek(path) or _span_of_all(path)
    if span is None:
        raise VideoError(f"{Path(path).name}: has a video stream but no frame in it.")
    return span[1] - span[0]


def _span_after_seek(path: str | os.PathLike[str]) -> tuple[Fraction, Fraction] | None:
    """Begin and end of the frames by reading the first and last seconds alone; None where that fails."""
    origin = first_frame_time(path)
    with open_media(path) as container:
        stream = video_stream(container, path)
        end = stated_end(container, stream)
        if end is None or not has_exact_seeks(container):
            return None
        tail = _span(container, stream) if seek(container, end - _TAIL_S) else None
        if tail is None or tail[1] <= origin:
            return None
        is_far = tail[1] - origin > _LONGEST_GAP_S  # times may jump on the way
        is_stated = tail[1] <= end + _LONGEST_GAP_S and not _is_estimate(container)
        return (origin, tail[1]) if is_stated or not is_far else None


def _span_of_all(path: str | os.PathLike[str]) -> tuple[Fraction, Fraction] | None:
    with open_media(path) as container:
        return _span(container, video_stream(container, path))


def _span(container: InputContainer, stream: VideoStream) -> tuple[Fraction, Fraction] | None:
    """Begin and end of all frames still to come; None without any."""
    first: Fraction | None = None
    last = Fraction(0)
    for begin, end in packet_spans(container, stream):
        first = begin if first is None else min(first, begin)
        last = max(last, end)
    return None if first is None else (first, last)


def _is_estimate(container: InputContainer) -> bool:
    """Whether FFmpeg computes the end of a stream from its last times, because no header states it."""
    return container.format.name in {"mpegts", "mpeg"}


def packet_spans(container: InputContainer, stream: VideoStream) -> Iterator[tuple[Fraction, Fraction]]:
    """Begin and end of every frame still to come, as the file counts seconds, in stored order."""
    timeline, usual = Timeline(container, stream), frame_length(stream)
    expected: Fraction | None = None
    for packet in video_packets(container, stream):
        if not packet.is_discard:
            length = seconds(packet.duration or None, packet.time_base)
            begin, expected = timeline.span(presentation_time(packet, stream), length, usual, expected)
            yield begin, expected
