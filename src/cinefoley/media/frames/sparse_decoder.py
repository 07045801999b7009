"""Decode few frames of an H.264 video: skip the frames that no other frame refers to."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from cinefoley.config.frame_rate import FrameRate
from cinefoley.media.containers import open_media, video_packets, video_stream
from cinefoley.media.frames.pixels import Pixels, to_rgb
from cinefoley.media.frames.sampling import frame_count, pick_frames, sampling_end, sampling_instant
from cinefoley.media.timing import frame_length

__all__ = ["SparseFrames", "decode_sparsely"]

_LONGEST_S = 60  # packets are held in memory; most of those of a longer video would not be used


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseFrames:
    """Frames of a video at a constant rate from its start."""

    pixels: list[Pixels]
    """One for each frame."""
    times: list[Fraction]
    """When each frame is first shown, in seconds from the video's first frame."""
    last: Fraction
    """When the video's last frame is first shown."""
    duration: Fraction
    """Seconds of video, at most what was asked for."""


def decode_sparsely(
    path: str | os.PathLike[str],
    rate: FrameRate,
    duration: Fraction,
    load: Callable[[Pixels], Pixels] = lambda pixels: pixels,
) -> SparseFrames | None:
    """Pick the frames that :func:`cinefoley.media.load_video` picks, bit for bit, for less work.

    Which frames are needed follows from the timestamps of the packets. The decoder skips all others that no
    frame refers to, and stops after the last one.

    Args:
        path: A video.
        rate: Frames per second, and their choice.
        duration: Seconds to read, from the start.
        load: Applied to the upright pixels of each sampled frame.

    Returns:
        None for a video that this does not handle: not H.264 in mp4 or mov, long, edited, or with anything
        in it that does not decode. :func:`~cinefoley.media.load_video` reads those.

    Raises:
        MediaError: If the file cannot be read.
        VideoError: If it has no video stream.
    """
    with open_media(path) as container:
        stream = video_stream(container, path)
        if not _is_plain(container, stream):
            return None
        packets = list(video_packets(container, stream))
        plan = _plan(packets, stream, rate, duration)
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
    """Of all frames, ascending."""
    picked: list[int]
    """The tick of each sampled frame."""
    time_base: Fraction
    end: Fraction
    """Of the last frame, in seconds from the first one's begin."""


def _is_plain(container: InputContainer, stream: VideoStream) -> bool:
    length = container.duration
    is_short = length is not None and length <= _LONGEST_S * av.time_base
    return is_short and container.format.name.startswith("mov,") and stream.codec_context.name == "h264"


def _plan(
    packets: "list[Packet[VideoStream]]", stream: VideoStream, rate: FrameRate, duration: Fraction
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
    count = frame_count(duration, rate.fps)
    zero = Fraction(0)
    kept = [n for n in range(count) if n == 0 or sampling_end(n, zero, rate) <= end]
    frames = (((tick - ticks[0]) * base, tick) for tick in ticks)
    picked = list(pick_frames(frames, (sampling_instant(n, zero, rate) for n in kept), rate.choice))
    return _Plan(ticks=ticks, picked=picked, time_base=base, end=end)


def _decode(
    packets: "list[Packet[VideoStream]]",
    stream: VideoStream,
    wanted: set[int],
    load: Callable[[Pixels], Pixels],
) -> dict[int, Pixels] | None:
    """The wanted frames by tick; None if one is missing or anything does not decode."""
    context = stream.codec_context
    context.thread_count = 1  # the other cores decode other videos
    found: dict[int, Pixels] = {}
    try:
        for packet in [*packets, None]:
            # the packet of a skipped frame is not decoded; no other frame refers to it
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
