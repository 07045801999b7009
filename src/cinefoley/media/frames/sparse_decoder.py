"""Few pictures of a film without decoding every other: what no other picture is built on is left out."""

import os
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from cinefoley.media.containers import open_media, video_packets, video_stream
from cinefoley.media.frames.pixels import Pixels, to_rgb
from cinefoley.media.frames.sampling import frame_count, sampling_instant
from cinefoley.media.timing import frame_length

__all__ = ["SparseFrames", "decode_sparsely"]

_LONGEST_S = 60  # packets are held in memory; of a longer film, most would be for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseFrames:
    """Pictures of a film at a constant rate from its start."""

    pixels: list[Pixels]
    """One for each frame."""
    times: list[Fraction]
    """When the picture of each frame is first shown, in seconds from the film's first picture."""
    last: Fraction
    """When the film's last picture is first shown."""
    duration: Fraction
    """Seconds of picture, up to what was asked for."""


def decode_sparsely(
    path: str | os.PathLike[str],
    fps: Fraction,
    duration: Fraction,
    load: Callable[[Pixels], Pixels] = lambda pixels: pixels,
) -> SparseFrames | None:
    """Pick the pictures that :func:`cinefoley.media.load_video` picks, bit for bit, for less work.

    The packets tell beforehand which pictures will be picked. The decoder passes over those that are not,
    where no other picture refers to them, and stops after the last one.

    Args:
        path: A film.
        fps: Frames per second.
        duration: Seconds to read, from the start.
        load: What is done to the upright pixels of each picked picture before they are kept.

    Returns:
        None for a film that this is not for: other than H.264 in mp4 or mov, long, edited, or with anything
        in it that does not decode. The full way then knows what to do.

    Raises:
        MediaError: If the file cannot be read.
        VideoError: If it has no picture stream.
    """
    with open_media(path) as container:
        stream = video_stream(container, path)
        if not _is_plain(container, stream):
            return None
        packets = list(video_packets(container, stream))
        plan = _plan(packets, stream, fps, duration)
        if plan is None:
            return None
        found = _decode(packets, stream, {plan.ticks[0], *plan.picked}, load)
        if found is None:
            return None
        base, origin = plan.time_base, plan.ticks[0]
        return SparseFrames(
            pixels=[found[tick] for tick in plan.picked],
            times=[(tick - origin) * base for tick in plan.picked],
            last=(plan.ticks[-1] - origin) * base,
            duration=min(plan.end, duration),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    ticks: list[int]
    """Of all pictures, ascending."""
    picked: list[int]
    """The tick of the picture of each frame."""
    time_base: Fraction
    end: Fraction
    """Of the last picture, in seconds from the first one's begin."""


def _is_plain(container: InputContainer, stream: VideoStream) -> bool:
    length = container.duration
    is_short = length is not None and length <= _LONGEST_S * av.time_base
    return is_short and container.format.name.startswith("mov,") and stream.codec_context.name == "h264"


def _plan(
    packets: "list[Packet[VideoStream]]", stream: VideoStream, fps: Fraction, duration: Fraction
) -> _Plan | None:
    base = stream.time_base
    ticks = [packet.pts for packet in packets if packet.pts is not None]
    is_odd = any(packet.is_discard or packet.is_corrupt for packet in packets)
    if not ticks or base is None or is_odd or len(set(ticks)) < len(packets):
        return None
    ticks.sort()
    usual = frame_length(stream) / base
    ends = [(packet.pts or 0) + (packet.duration or usual) for packet in packets]
    end = (max(ends) - ticks[0]) * base
    picked = []
    for n in range(frame_count(duration, fps)):
        instant = sampling_instant(n, Fraction(0), fps)
        if n and instant > end:
            break
        # the last picture that begins before the instant; ticks are whole, so the bound may be rounded up
        picked.append(ticks[max(0, bisect_left(ticks, ticks[0] + ceil(instant / base)) - 1)])
    return _Plan(ticks=ticks, picked=picked, time_base=base, end=end)


def _decode(
    packets: "list[Packet[VideoStream]]",
    stream: VideoStream,
    wanted: set[int],
    load: Callable[[Pixels], Pixels],
) -> dict[int, Pixels] | None:
    """The wanted pictures by tick; None if one is missing or anything does not decode."""
    context = stream.codec_context
    context.thread_count = 1  # the machine's cores are at other films
    found: dict[int, Pixels] = {}
    try:
        for packet in [*packets, None]:
            # what a skipped picture's packet holds is not even looked at; no other picture refers to it
            context.skip_frame = "DEFAULT" if packet is None or packet.pts in wanted else "NONREF"
            for frame in context.decode(packet):
                if frame.pts not in wanted:
                    continue
                if frame.is_corrupt:
                    return None
                found[frame.pts] = load(to_rgb(frame))
            if len(found) == len(wanted):
                return found
    except av.FFmpegError:
        return None
    return None
