"""CMX 3600 edit decision lists.

OpenTimelineIO's own adapter is not used: it writes no audio events, numbers 29.97 always as drop-frame, and
lets the record side begin at zero. Tests read our lists with it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cinefoley.delivery.timecode import TimecodeClock

__all__ = ["EdlEvent", "edl_text", "picture_event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlEvent:
    """A cut: a stretch of a file, in timecode that is that of the record side as well."""

    clip: str
    """File name."""
    track: str
    """``V`` for the picture, ``A``, ``A2``, ``A3``, ``A4`` for sound."""
    start_frame: int
    """First frame, from midnight."""
    num_frames: int
    """Length."""
    source_start_frame: int | None = None
    """First frame in the file's own timecode; None: the same, as in files with a time reference."""
    notes: Sequence[str] = ()
    """Comment lines."""


def picture_event(
    clip: str, clock: TimecodeClock, duration_s: float, *, notes: Sequence[str] = ()
) -> EdlEvent:
    """The whole video as one event."""
    frames = max(1, round(duration_s * float(clock.rate)))
    return EdlEvent(clip=clip, track="V", start_frame=clock.start_frame, num_frames=frames, notes=notes)


def edl_text(title: str, events: Sequence[EdlEvent], clock: TimecodeClock) -> str:
    """An edit decision list: cuts only.

    Args:
        title: Name of the list.
        events: In the order of the list.
        clock: Rate, and drop-frame or not.
    """
    mode = "DROP FRAME" if clock.is_drop_frame else "NON-DROP FRAME"
    lines = [f"TITLE: {_one_line(title)[:70]}", f"FCM: {mode}", ""]
    for number, event in enumerate(events, start=1):
        source = event.start_frame if event.source_start_frame is None else event.source_start_frame
        times = (source, source + event.num_frames, event.start_frame, event.start_frame + event.num_frames)
        codes = " ".join(clock.at_frame(frame) for frame in times)
        # AX, auxiliary source: the file is named in the comment, not by an eight-letter reel
        lines.append(f"{number:03d}  AX       {event.track:<5} C        {codes}")
        lines.append(f"* FROM CLIP NAME: {_one_line(event.clip)}")
        lines += [f"* {_one_line(note)}" for note in event.notes]
        lines.append("")
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n\t]+", " ", text).strip()
