"""Cues: find the events of a take with their strength, and match edited cues with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.metrics.onsets import detect_onsets

__all__ = ["Cue", "find_cues", "match_cues"]

_SHORTEST_S = 0.1
_ATTACK_S = 0.3  # within which the strength of an event is measured
_WINDOW_S = 0.05
_FLOOR_DB = -120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """An event of a take, or where an editor wants one."""

    time_s: float
    """Seconds from the first frame."""
    strength_db: float | None = None
    """Loudest 50 ms of its first 300 ms, RMS in dB of full scale; None if unknown."""
    kind: str = ""
    """What sounds, as an editor wrote it; empty in a sheet of generated events."""
    note: str = ""
    """Free text of an editor."""

    @property
    def name(self) -> str:
        """Kind, strength and note, in one line."""
        strength = "" if self.strength_db is None else f"{self.strength_db:.1f} dB"
        return ", ".join(filter(None, (self.kind, strength, self.note))) or "cue"


def find_cues(waveform: Tensor, sample_rate: int, *, start_s: float = 0.0) -> list[Cue]:
    """Find the events of a take: its onsets, and how strong each is.

    Args:
        waveform: ``(N,)``, full scale at 1. Shorter than 0.1 s: no events.
        sample_rate: Samples per second, at least 16000.
        start_s: Where the take begins, in seconds from the video's first frame.

    Returns:
        Cues in order of time.
    """
    if len(waveform) < _SHORTEST_S * sample_rate:
        return []
    onsets = detect_onsets(waveform, sample_rate=sample_rate)
    ends = [*onsets[1:], len(waveform) / sample_rate]
    power = waveform.double().square().cpu().numpy()
    return [
        Cue(
            time_s=round(start_s + float(onset), 3),
            strength_db=_strength_db(power, onset, min(end, onset + _ATTACK_S), sample_rate),
        )
        for onset, end in zip(onsets, ends, strict=True)
    ]


def match_cues(
    events_s: Sequence[float], cues_s: Sequence[float], *, reach_s: float = 0.5
) -> list[tuple[int, int]]:
    """Pair cues with events in order, so that pairs never cross and the sum of their distances is least.

    Args:
        events_s: Times of the events, ascending, in seconds.
        cues_s: Times of the cues, ascending.
        reach_s: Largest distance of a pair; an event or cue without a partner costs half of it.

    Returns:
        Pairs of indices (event, cue), ascending.
    """
    rows, columns = len(events_s), len(cues_s)
    single = reach_s / 2
    cost = np.zeros((rows + 1, columns + 1))
    cost[:, 0], cost[0, :] = np.arange(rows + 1) * single, np.arange(columns + 1) * single
    distance = np.abs(np.subtract.outer(np.asarray(events_s, float), np.asarray(cues_s, float)))
    distance[distance > reach_s] = np.inf
    for row in range(rows):
        for column in range(columns):
            cost[row + 1, column + 1] = min(
                cost[row, column] + distance[row, column],
                cost[row, column + 1] + single,
                cost[row + 1, column] + single,
            )
    pairs = []
    while rows and columns:
        if cost[rows, columns] == cost[rows - 1, columns - 1] + distance[rows - 1, columns - 1]:
            rows, columns = rows - 1, columns - 1
            pairs.append((rows, columns))
        elif cost[rows, columns] == cost[rows - 1, columns] + single:
            rows -= 1
        else:
            columns -= 1
    return pairs[::-1]


def _strength_db(power: NDArray[np.float64], begin: float, end: float, sample_rate: int) -> float:
    window = round(_WINDOW_S * sample_rate)
    piece = power[round(begin * sample_rate) : max(round(end * sample_rate), 1)]
    sums = np.concatenate([[0.0], np.cumsum(piece)])
    width = min(window, len(piece))
    loudest = float((sums[width:] - sums[:-width]).max() / width) if width else 0.0
    return round(max(_FLOOR_DB, 10 * log10(max(loudest, 1e-20))), 1)
