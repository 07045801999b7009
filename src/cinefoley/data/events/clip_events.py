"""Events of one clip as arrays: when sounds begin and end, and which of them are visible."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClipEvents", "parse_events"]

_SOUND_S = 0.5  # how long an event sounds where the record does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipEvents:
    """Known events of one clip."""

    times: NDArray[np.float64]
    """``(E,)`` seconds at which sounds begin, ascending."""
    is_visible: NDArray[np.bool_]
    """``(E,)``, whether target or context of each event is in the frame."""
    is_onset_like: bool
    """Whether every event starts sharply enough to be judged; true of a clip without events."""
    sounding: NDArray[np.float64]
    """``(E, 2)``, begin and end of each sound in seconds."""
    off_screen: NDArray[np.float64] | None
    """``(N, 2)``, begin and end of the times when the target is off-screen; None where not known."""


def parse_events(record: Mapping[str, Any]) -> ClipEvents:
    """Parse one record of an event file.

    Args:
        record: ``events``, a list of objects with ``time_s`` and, where known, ``end_s``, ``is_onset_like``,
            ``is_visible`` and ``is_context_visible``; and, where known, ``off_screen``, a list of
            ``[begin_s, end_s]``.

    Raises:
        KeyError: If an entry is missing.
        ValueError: If a number is not finite, or something ends before it begins.
    """
    events = sorted(record["events"], key=lambda event: float(event["time_s"]))
    times = np.array([float(event["time_s"]) for event in events], dtype=np.float64)
    ends = [float(event.get("end_s", event["time_s"] + _SOUND_S)) for event in events]
    sounding = np.stack([times, np.array(ends, dtype=np.float64)], axis=1)
    flags = ("is_visible", True), ("is_context_visible", False)
    visible = [any(bool(event.get(name, default)) for name, default in flags) for event in events]
    off_screen = record.get("off_screen")
    hidden = None if off_screen is None else np.array(off_screen, dtype=np.float64).reshape(-1, 2)
    for name, spans in (("a sound", sounding), ("off_screen", hidden)):
        if spans is not None and not (spans[:, 1] >= spans[:, 0]).all():
            raise ValueError(f"{name} ends before it begins, or at a time that is no number")
        if spans is not None and not np.isfinite(spans).all():
            raise ValueError(f"{name} begins or ends at a time that is not finite")
    return ClipEvents(
        times=times,
        is_visible=np.array(visible, dtype=bool),
        is_onset_like=all(bool(event.get("is_onset_like", True)) for event in events),
        sounding=sounding,
        off_screen=hidden,
    )
