"""Synchrony of generated files with known events: onset F1 and off-screen energy."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from torch import Tensor
from torch.nn import functional as F

from cinefoley.data.events.clip_events import ClipEvents, parse_events
from cinefoley.errors import CinefoleyError
from cinefoley.evaluation.folder.labels import stem_of_clip
from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import Measurement, Ratio
from cinefoley.evaluation.folder.sounds import read_sound
from cinefoley.metrics.backbones.weights import file_digest
from cinefoley.metrics.events import match_visible_onsets, off_screen_energy
from cinefoley.metrics.onsets import OnsetCounts, detect_onsets, match_onsets

__all__ = ["EVENT_RATE", "TOLERANCES_S", "EventMetric", "read_events", "read_for_onsets"]

TOLERANCES_S = (0.05, 0.1, 0.25)
"""Largest distances of a match that are reported."""
_EXAMPLE = '{"clip": "dog", "events": [{"time_s": 1.2, "is_onset_like": true, "is_visible": true}]}'

EVENT_RATE = 16000
"""Sample rate at which onsets are detected."""


def read_events(path: Path) -> dict[str, ClipEvents]:
    """Read events, one JSON object per line and clip; or one object in all.

    ``clip`` (or ``film``, whose stem is used, or ``id``) names it; ``events`` is a list of objects with
    ``time_s`` and, where known, ``end_s``, ``is_onset_like``, ``is_visible`` and ``is_context_visible``;
    ``off_screen`` is a list of ``[begin_s, end_s]``. ``cinefoley stage render``, ``cinefoley stage export``
    and, for what windows show of exported clips, ``cinefoley vary`` write such files.

    Raises:
        CinefoleyError: If the file cannot be read, or a line is not such an object; names the line.
    """
    clips: dict[str, ClipEvents] = {}
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in _objects(file):
                try:
                    entry = json.loads(line)
                    name = _name(entry)
                    events = parse_events(entry)
                except (ValueError, KeyError, TypeError, AttributeError) as exc:
                    raise CinefoleyError(
                        f"{path}, line {number}: not the events of a clip ({type(exc).__name__}: {exc}). "
                        f"Expected {_EXAMPLE}."
                    ) from exc
                if name in clips:
                    raise CinefoleyError(f"{path}, line {number}: the clip {name!r} appears twice.")
                clips[name] = events
    except (OSError, UnicodeDecodeError) as exc:
        raise CinefoleyError(f"{path}: cannot be read ({exc}). Expected JSON lines, one per clip.") from exc
    return clips


class EventMetric:
    """Onset F1 and off-screen energy of sounds with known events.

    Args:
        path: What :func:`read_events` reads.

    Raises:
        CinefoleyError: If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._events = read_events(path)
        self._describe = f"{path.name} (sha256:{file_digest(path)[:12]}), mean of channels"

    def measure(self, samples: Sequence[Sample]) -> Measurement:
        """Onset F1 at each tolerance over clips of onset-like kinds, its visible form, off-screen energy.

        Counts are added over samples before the F1 is taken; the energy is averaged over the samples where it
        is defined.
        """
        onsets: dict[str, dict[Sample, tuple[float, float]]] = {
            f"{kind} {_label(tolerance)}": {}
            for kind in ("onset F1", "visible onset F1")
            for tolerance in TOLERANCES_S
        }
        energies: dict[Sample, tuple[float, float]] = {}
        num_known = 0
        for sample in samples:
            clip = self._events.get(sample.clip)
            if clip is None:
                continue
            num_known += 1
            waveform = read_for_onsets(sample.path)
            share = _energy(waveform, clip)
            if share is not None:
                energies[sample] = (share, 1.0)
            if clip.is_onset_like:
                for name, found in _count_onsets(waveform, clip).items():
                    onsets[name][sample] = found.f1_parts
        why = "no sample's clip is in the events file and onset-like"
        ratios = {name: Ratio(parts=parts, if_empty=1.0, if_unmeasured=why) for name, parts in onsets.items()}
        why = "no clip with a silent time out of the frame"
        ratios["off-screen energy"] = Ratio(parts=energies, if_unmeasured=why)
        num_onsets = len(next(iter(onsets.values())))
        counts = (
            f"{num_known} of {len(samples)} samples, of these {num_onsets} by onsets, "
            f"{len(energies)} by off-screen energy"
        )
        return Measurement(ratios=ratios, protocol={"events": self._describe, "events_judged": counts})


def _label(tolerance_s: float) -> str:
    return f"±{1000 * tolerance_s:.0f} ms"


def read_for_onsets(path: Path) -> Tensor:
    """The mean of all channels at 16 kHz, padded with silence to the 0.2 s that onset detection needs."""
    waveform = read_sound(path, sample_rate=EVENT_RATE, mono=True)[0][0]
    return F.pad(waveform, (0, max(0, EVENT_RATE // 5 - len(waveform))))


def _energy(waveform: Tensor, clip: ClipEvents) -> float | None:
    if clip.off_screen is None:
        return None
    return off_screen_energy(
        waveform, sample_rate=EVENT_RATE, off_screen=clip.off_screen, sounding=clip.sounding
    )


def _count_onsets(waveform: Tensor, clip: ClipEvents) -> dict[str, OnsetCounts]:
    onsets = detect_onsets(waveform, sample_rate=EVENT_RATE)
    counts = {}
    for tolerance in TOLERANCES_S:
        at = _label(tolerance)
        counts[f"onset F1 {at}"] = match_onsets(onsets, clip.times, tolerance_s=tolerance)
        counts[f"visible onset F1 {at}"] = match_visible_onsets(
            onsets, clip.times, clip.is_visible, tolerance_s=tolerance
        )
    return counts


def _objects(file: TextIO) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers; a file that is one object over many lines is one."""
    first = file.readline()
    if first.strip() == "{":  # as `stage render` writes it, for people to read
        yield 1, first + file.read()
        return
    for number, line in enumerate(chain([first], file), start=1):
        if line.strip():
            yield number, line


def _name(entry: Mapping[str, Any]) -> str:
    if "clip" in entry:
        return stem_of_clip(str(entry["clip"]))
    return Path(entry["film"]).stem if "film" in entry else str(entry["id"])
