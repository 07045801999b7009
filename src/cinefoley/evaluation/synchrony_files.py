"""Synchrony of generated files with events that are known."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinefoley.errors import CinefoleyError
from cinefoley.evaluation.pairing import Sample
from cinefoley.evaluation.scores import Score
from cinefoley.media.audio import read_audio
from cinefoley.metrics.events import Spans, match_visible_onsets, off_screen_energy
from cinefoley.metrics.onsets import OnsetCounts, detect_onsets, match_onsets

__all__ = ["TOLERANCES_S", "ClipEvents", "read_events", "score_events"]

TOLERANCES_S = (0.05, 0.1, 0.25)
"""Largest distances of a match that are reported."""
_RATE = 16000
_SOUND_S = 0.5  # how long an event sounds where the file does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipEvents:
    """What is known about one clip."""

    times: NDArray[np.float64]
    """When sounds begin, ascending."""
    is_visible: NDArray[np.bool_]
    """Whether target or context of each is in the frame."""
    is_onset_like: bool
    """Whether every event starts sharply enough to be judged; true of a clip without events."""
    sounding: Spans
    """When something sounds."""
    off_screen: Spans | None
    """When the target is out of the frame; None where that is not known."""


def read_events(path: Path) -> dict[str, ClipEvents]:
    """Read events, one JSON object per line and clip.

    ``clip`` (or ``film``, whose stem counts) names it; ``events`` is a list of objects with ``time_s`` and,
    where known, ``end_s``, ``is_onset_like``, ``is_visible`` and ``is_context_visible``; ``off_screen`` is a
    list of ``[begin_s, end_s]``. `cinefoley stage render` writes such objects.

    Raises:
        CinefoleyError: If the file cannot be read, or a line is not such an object; names the line.
    """
    clips: dict[str, ClipEvents] = {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise CinefoleyError(f"{path}: cannot be read ({exc}). Expected JSON lines, one per clip.") from exc
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            name = str(entry["clip"]) if "clip" in entry else Path(entry["film"]).stem
            clips[name] = _parse(entry)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise CinefoleyError(
                f"{path}, line {number}: not the events of a clip ({type(exc).__name__}: {exc}). Expected "
                '{"clip": "dog", "events": [{"time_s": 1.2, "is_onset_like": true, "is_visible": true}]}.'
            ) from exc
    return clips


def score_events(samples: Sequence[Sample], events: Mapping[str, ClipEvents]) -> dict[str, Score]:
    """Judge every sample of which events are known.

    Returns:
        ``onset F1`` at each tolerance over clips of onset-like kinds, the same over visible events, and
        ``off-screen energy``, averaged over samples where it is defined.
    """
    counts: dict[str, OnsetCounts] = {}
    energies: list[float] = []
    judged = 0
    for sample in samples:
        clip = events.get(sample.clip)
        if clip is None:
            continue
        waveform = read_audio(sample.path, sample_rate=_RATE, mono=True)[0][0]
        if clip.off_screen is not None:
            share = off_screen_energy(
                waveform, sample_rate=_RATE, off_screen=clip.off_screen, sounding=clip.sounding
            )
            energies += [] if share is None else [share]
        if not clip.is_onset_like:
            continue
        judged += 1
        onsets = detect_onsets(waveform, sample_rate=_RATE)
        for tolerance in TOLERANCES_S:
            at = f"±{1000 * tolerance:.0f} ms"
            everything = match_onsets(onsets, clip.times, tolerance_s=tolerance)
            visible = match_visible_onsets(onsets, clip.times, clip.is_visible, tolerance_s=tolerance)
            for name, found in ((f"onset F1 {at}", everything), (f"visible onset F1 {at}", visible)):
                counts[name] = counts.get(name, OnsetCounts()) + found
    if not judged:
        counts = {}
    scores = {name: Score(value=found.f1) for name, found in sorted(counts.items())}
    scores = scores or {"onset F1": Score(skipped="no sample's clip is in the events file and onset-like")}
    if energies:
        scores["off-screen energy"] = Score(value=float(np.mean(energies)))
    else:
        scores["off-screen energy"] = Score(skipped="no clip with a silent time out of the frame")
    return scores


def _parse(entry: Mapping[str, Any]) -> ClipEvents:
    events = sorted(entry["events"], key=lambda event: float(event["time_s"]))
    times = np.array([float(event["time_s"]) for event in events], dtype=np.float64)
    ends = [float(event.get("end_s", event["time_s"] + _SOUND_S)) for event in events]
    if not np.isfinite(times).all():
        raise ValueError("a time is not finite")
    flags = ("is_visible", True), ("is_context_visible", False)
    visible = [any(bool(event.get(name, default)) for name, default in flags) for event in events]
    off_screen = entry.get("off_screen")
    return ClipEvents(
        times=times,
        is_visible=np.array(visible, dtype=bool),
        is_onset_like=all(bool(event.get("is_onset_like", True)) for event in events),
        sounding=np.stack([times, np.array(ends, dtype=np.float64)], axis=1),
        off_screen=None if off_screen is None else np.array(off_screen, dtype=np.float64).reshape(-1, 2),
    )
