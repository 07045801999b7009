"""Per-clip metrics: what each sound adds to a ratio, and the ratios with intervals over clips."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.scores import FEWEST_FOR_INTERVALS, Score, bootstrap_draws

__all__ = ["Measurement", "PerClipMetric", "Ratio", "ratio_scores"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A metric that is one sum over samples divided by another: an F1, a share, an average."""

    parts: Mapping[Sample, tuple[float, float]]
    """What each measured sample adds to numerator and denominator."""
    if_empty: float | None = None
    """The value if samples were measured and their denominators add up to 0; None leaves it undefined."""
    if_unmeasured: str = "no sample could be measured"
    """Why there is no number if no sample was measured."""
    fewest_clips: int = FEWEST_FOR_INTERVALS
    """Fewest clips for which an interval is computed: 10, or less for metrics with many events per clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One or several metrics of some samples."""

    ratios: Mapping[str, Ratio]
    """By metric."""
    protocol: Mapping[str, object] = field(default_factory=dict)
    """What the numbers depend on, for the protocol line."""
    problems: Mapping[Sample, str] = field(default_factory=dict)
    """Samples that could not be measured, and why."""


class PerClipMetric(Protocol):
    """A metric that is computed sound by sound, beside the clip's video or events."""

    def measure(self, samples: Sequence[Sample]) -> Measurement:
        """Measure every sample that can be measured, each independently of the others."""
        ...


def ratio_scores(
    ratios: Mapping[str, Ratio], clips: Collection[str], *, replicas: int = 0, seed: int = 0
) -> dict[str, Score]:
    """Ratios over the samples of some clips, with percentile intervals over clips.

    Clips are drawn with replacement, with all their samples; those that a metric does not measure are drawn
    as well and add nothing, so that every metric and every method sees the same drawn clips.

    Args:
        ratios: By metric.
        clips: The clips that count.
        replicas: Resamplings; 0 computes no intervals. Metrics of few clips have none.
        seed: Of the resamplings.
    """
    numbers = {clip: number for number, clip in enumerate(sorted(clips))}
    fewest = min((ratio.fewest_clips for ratio in ratios.values()), default=FEWEST_FOR_INTERVALS)
    draws = bootstrap_draws(len(numbers), replicas=replicas, seed=seed, fewest=fewest)
    times = (
        None if draws is None else np.stack([np.bincount(drawn, minlength=len(numbers)) for drawn in draws])
    )
    return {name: _score(ratio, numbers, times) for name, ratio in ratios.items()}


def _score(ratio: Ratio, numbers: Mapping[str, int], times: NDArray[np.int64] | None) -> Score:
    """``times``: how often each clip is drawn, ``(B, clips)``."""
    sums, measured = np.zeros((2, len(numbers))), set()
    for sample, parts in ratio.parts.items():
        if sample.clip in numbers:
            measured.add(sample.clip)
            sums[:, numbers[sample.clip]] += parts
    if not measured:
        return Score(skipped=ratio.if_unmeasured)
    value = _divide(ratio, sums.sum(axis=1))
    if np.isnan(value):
        return Score(skipped=ratio.if_unmeasured)
    if times is None or len(measured) < ratio.fewest_clips:
        return Score(value=value)
    found = tuple(_divide(ratio, drawn) for drawn in times @ sums.T)
    low, high = np.nanquantile(found, [0.025, 0.975])
    return Score(value=value, low=float(low), high=float(high), replicas=found)


def _divide(ratio: Ratio, sums: NDArray[np.float64]) -> float:
    """NaN where it is undefined: no drawn clip is measured."""
    if sums[1] > 0:
        return float(sums[0] / sums[1])
    return float("nan") if ratio.if_empty is None else ratio.if_empty
