"""When a film's picture begins and ends."""

import os
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from cinefoley.errors import VideoError
from cinefoley.media.containers import open_media, picture_packets, video_stream

__all__ = [
    "claimed_end",
    "exact_picture_duration",
    "first_picture_time",
    "frame_length",
    "picture_duration",
    "seconds",
]


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
            time = seconds(frame.pts, frame.time_base)
            if not frame.is_corrupt and time is not None:
                return time
    return seconds(stream.start_time, stream.time_base) or Fraction(0)


def picture_duration(path: str | os.PathLike[str]) -> float:
    """How long a film's picture lasts, from its first frame to the end of its last, without decoding it.

    A complete mp4 or mov says so itself; other containers, and files that are cut off, are read through once.

    Args:
        path: A film.

    Returns:
        Seconds; the same that decoding every picture gives.

    Raises:
        MediaError: If the file cannot be read.
        VideoError: If it has no picture stream.
    """
    return float(exact_picture_duration(path))


def exact_picture_duration(path: str | os.PathLike[str]) -> Fraction:
    """:func:`picture_duration` as a fraction."""
    with open_media(path) as container:
        origin = first_picture_time(container, Path(path))
    with open_media(path) as container:
        stream = video_stream(container, path)
        end = claimed_end(container, stream) if _is_complete_mp4(stream, Path(path)) else None
        if end is None:
            end = _end_of_packets(container, stream)
    if end <= origin:
        raise VideoError(f"{Path(path).name}: has a video stream but no picture in it.")
    return end - origin


def _end_of_packets(container: InputContainer, stream: VideoStream) -> Fraction:
    length = frame_length(stream)
    end = Fraction(0)
    for packet in picture_packets(container, stream):
        time = seconds(packet.dts if packet.pts is None else packet.pts, packet.time_base)
        if time is not None and not packet.is_discard:
            end = max(end, time + (seconds(packet.duration or None, packet.time_base) or length))
    return end


def _is_complete_mp4(stream: VideoStream, path: Path) -> bool:
    """Whether the index of an mp4 covers the whole stream, and the file reaches as far as the index does."""
    index = stream.index_entries
    is_mp4 = stream.container.format.name.startswith("mov,")
    if not (is_mp4 and stream.duration and 0 < stream.frames <= len(index)):
        return False
    last = [index[i] for i in range(max(0, len(index) - 64), len(index))]
    return max(entry.pos + entry.size for entry in last) <= path.stat().st_size
