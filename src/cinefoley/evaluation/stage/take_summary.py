"""Summary of measured takes: alignment accuracy, onset F1, kinds and silence, with bootstrap intervals."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinefoley.metrics.onsets import OnsetCounts

__all__ = ["Estimate", "MeasuredTake", "summarise_takes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredTake:
    """One take of one clip."""

    seed: int
    """The clip."""
    kind: str
    """The first source's kind."""
    take: int
    """From 0."""
    probability: float
    """The alignment classifier's, that the sound belongs to the whole clip."""
    is_onset_like: bool
    """Whether every source has sharp onsets: only then are its onsets measured."""
    own: OnsetCounts
    """Against the clip's events, ±100 ms."""
    other: OnsetCounts | None
    """Against those of another clip of the same kind; None where there is none."""
    is_kind_heard: bool | None
    """Whether the audio classifier's first choice is a source's kind; None for a clip without events."""
    silences: int
    """Stretches of a second or more in which the real sound is silent."""
    kept_silences: int
    """Of these, how many the take leaves silent."""

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval over resampled clips."""

    value: float
    low: float
    high: float
    clips: int
    """Clips it was taken over."""


def summarise_takes(
    measured: Sequence[MeasuredTake], *, replicas: int = 2000, seed: int = 0
) -> dict[str, Estimate]:
    """Ratios over all takes, with bootstrap intervals: clips are drawn again, with all their takes.

    Args:
        measured: Takes of one model and view; a clip's takes side by side.
        replicas: Resamplings.
        seed: Of the resampling.

    Returns:
        ``alignment accuracy``, ``onset F1``, ``onset F1, other clip``, ``onset F1 margin`` (the difference of
        the two, over clips that have another), ``kind heard`` and ``silence kept``; without those for which
        there is nothing to measure.
    """
    clips: dict[int, list[MeasuredTake]] = {}
    for take in measured:
        clips.setdefault(take.seed, []).append(take)
    table = np.array([np.sum([_row(take) for take in takes], axis=0) for takes in clips.values()])
    weights = np.random.default_rng(seed).multinomial(
        len(table), np.full(len(table), 1 / len(table)), size=replicas
    )
    once, many = table.sum(axis=0, keepdims=True), weights @ table
    report: dict[str, Estimate] = {}
    for name, column, ratio in _RATIOS:
        count = int((table[:, column] > 0).sum())
        if count:
            values = np.asarray(ratio(many))
            low, high = np.nanpercentile(values, [2.5, 97.5])
            value = float(np.asarray(ratio(once))[0])
            report[name] = Estimate(value=value, low=float(low), high=float(high), clips=count)
    return report


# columns: takes, aligned; measured, its counts; measured with another, both counts; kind; silences
_Table = NDArray[np.float64]


def _row(take: MeasuredTake) -> list[int]:
    none, own, other = [0] * 3, take.own, take.other
    counts = [own.hits, own.extra, own.missed]
    is_paired = take.is_onset_like and other is not None
    paired = [1, *counts, other.hits, other.extra, other.missed] if is_paired and other else [0, *none, *none]
    heard = [0, 0] if take.is_kind_heard is None else [1, int(take.is_kind_heard)]
    return [
        1,
        int(take.probability > 0.5),
        *([1, *counts] if take.is_onset_like else [0, *none]),
        *paired,
        *heard,
        take.silences,
        take.kept_silences,
    ]


def _f1(table: _Table, first: int) -> NDArray[np.float64]:
    hits, extra, missed = table[:, first], table[:, first + 1], table[:, first + 2]
    total = 2 * hits + extra + missed
    return np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)


def _share(table: _Table, part: int, whole: int) -> NDArray[np.float64]:
    return np.where(table[:, whole] > 0, table[:, part] / np.maximum(table[:, whole], 1), np.nan)


_RATIOS: tuple[tuple[str, int, Callable[[_Table], NDArray[np.float64]]], ...] = (
    ("alignment accuracy", 0, lambda t: _share(t, 1, 0)),
    ("onset F1", 2, lambda t: _f1(t, 3)),
    ("onset F1, other clip", 6, lambda t: _f1(t, 10)),
    ("onset F1 margin", 6, lambda t: _f1(t, 7) - _f1(t, 10)),
    ("kind heard", 13, lambda t: _share(t, 14, 13)),
    ("silence kept", 15, lambda t: _share(t, 16, 15)),
)
