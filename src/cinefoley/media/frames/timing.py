"""When a film's picture begins and ends."""

import os
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from cinefoley.errors import VideoError
from cinefoley.media.containers import has_exact_seeks, open_media, picture_packets, shown_at, video_stream

__all__ = [
    "claimed_end",
    "exact_picture_duration",
    "first_picture_time",
    "frame_length",
    "picture_duration",
    "seconds",
]

_TAIL_S = 10


def seconds(ticks: int | None, time_base: Fraction | None) -> Fraction | None:
    """Ticks of a time base in seconds, exactly; None where the file does not say."""
    return None if ticks is None or time_base is None else ticks * time_base


def frame_length(stream: VideoStream) -> Fraction:
    """Seconds that a frame is shown where the file does not say: the average of the stream."""
    return 1 / (stream.average_rate or Fraction(25))


def claimed_end(container: InputContainer, stream: Stream) -> Fraction | None:
    """Where the file says that its pictures end, in seconds as it counts them; None where it does not say."""
    length = seconds(stream.duration, stream.time_base)
    if length is not None:
        return (seconds(stream.start_time, stream.time_base) or Fraction(0)) + length
    if "DURATION" in stream.metadata:  # Matroska, as hours:minutes:seconds.nanoseconds
        try:
            hours, minutes, rest = stream.metadata["DURATION"].split(":")
            return int(hours) * 3600 + int(minutes) * 60 + Fraction(rest.strip("\x00 "))
        except ValueError:
            return None
    if container.duration is not None and len(container.streams) == 1:
        return Fraction((container.start_time or 0) + container.duration, av.time_base)
    return None


def first_picture_time(container: InputContainer, path: Path) -> Fraction:
    """When the first picture that decodes is shown, in seconds as the file counts them; 0 without pictures.

    Leaves the container somewhere behind that picture.
    """
    try:
        stream = video_stream(container, path)
    except VideoError:
        return Fraction(0)
    for packet in picture_packets(container, stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        for frame in frames:
            time = shown_at(frame, stream)
            if not frame.is_corrupt and time is not None:
                return time
    return seconds(stream.start_time, stream.time_base) or Fraction(0)


def picture_duration(path: str | os.PathLike[str]) -> float:
    """How long a film's picture lasts, from its first frame to the end of its last, without decoding it.

    The timestamps of its last pictures tell, not the header: that one counts the sound too, is wrong in
    files that are cut off, and missing in many.

    Args:
        path: A film.

    Returns:
        Seconds; the same that decoding every picture gives.

    Raises:
        MediaError: If the file cannot be read.
        VideoError: If it has no picture stream, or no picture in it.
    """
    return float(exact_picture_duration(path))


def exact_picture_duration(path: str | os.PathLike[str]) -> Fraction:
    """:func:`picture_duration` as a fraction."""
    span = _span_after_seek(path) or _span_of_all(path)
    if span is None:
        raise VideoError(f"{Path(path).name}: has a video stream but no picture in it.")
    return span[1] - span[0]


def _span_after_seek(path: str | os.PathLike[str]) -> tuple[Fraction, Fraction] | None:
    """Begin and end of the pictures by reading the first and last seconds alone; None where that fails."""
    with open_media(path) as container:
        origin = first_picture_time(container, Path(path))
    with open_media(path) as container:
        stream = video_stream(container, path)
        claimed = claimed_end(container, stream)
        if claimed is None or not has_exact_seeks(container):
            return None
        try:
            container.seek(int((claimed - _TAIL_S) * av.time_base))
        except av.FFmpegError:
            return None
        tail = _span(container, stream)
        return None if tail is None or tail[1] <= origin else (origin, tail[1])


def _span_of_all(path: str | os.PathLike[str]) -> tuple[Fraction, Fraction] | None:
    with open_media(path) as container:
        return _span(container, video_stream(container, path))


def _span(container: InputContainer, stream: VideoStream) -> tuple[Fraction, Fraction] | None:
    """Begin and end of all pictures still to come; None without any."""
    length = frame_length(stream)
    begin: Fraction | None = None
    end = Fraction(0)
    for packet in picture_packets(container, stream):
        time = shown_at(packet, stream)
        if time is not None and not packet.is_discard:
            begin = time if begin is None else min(begin, time)
            end = max(end, time + (seconds(packet.duration or None, packet.time_base) or length))
    return None if begin is None else (begin, end)
