"""Metrics that judge one sound at a time: ratios of sums over samples, with intervals over clips."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.scores import FEWEST_FOR_INTERVALS, Score, bootstrap_draws

__all__ = ["Judgement", "Ratio", "SampleJudge", "ratio_scores"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A metric that is one sum over samples divided by another: an F1, a share, an average."""

    parts: Mapping[Sample, tuple[float, float]]
    """What each judged sample adds to numerator and denominator."""
    if_empty: float | None = None
    """The value where samples were judged and their denominators add up to 0; None leaves it undefined."""
    if_unjudged: str = "no sample could be judged"
    """Why there is no number where no sample was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a judge says about some samples."""

    ratios: Mapping[str, Ratio]
    """By metric."""
    protocol: Mapping[str, object] = field(default_factory=dict)
    """What the numbers depend on, for the protocol line."""
    problems: Mapping[Sample, str] = field(default_factory=dict)
    """Samples that could not be judged though they should be, and why."""


class SampleJudge(Protocol):
    """Something that judges sounds one by one, knowing what happens in their films."""

    keeps_results: bool
    """Whether it keeps what it finds in a cache, so that several processes may share the work."""

    def judge(self, samples: Sequence[Sample]) -> Judgement:
        """Judge every sample that it can; what it says of one does not depend on the others."""
        ...


def ratio_scores(
    ratios: Mapping[str, Ratio], clips: Collection[str], *, replicas: int = 0, seed: int = 0
) -> dict[str, Score]:
    """Ratios over the samples of some clips, with percentile intervals over clips.

    Clips are drawn with replacement, with all their samples; those that a metric does not judge are drawn as
    well and add nothing, so that every metric and every method sees the same drawn clips.

    Args:
        ratios: By metric.
        clips: The clips that count.
        replicas: Resamplings; 0 computes no intervals. Metrics that judge fewer than 10 clips have none.
        seed: Of the resamplings.
    """
    numbers = {clip: number for number, clip in enumerate(sorted(clips))}
    draws = bootstrap_draws(len(numbers), replicas=replicas, seed=seed)
    times = (
        None if draws is None else np.stack([np.bincount(drawn, minlength=len(numbers)) for drawn in draws])
    )
    return {name: _score(ratio, numbers, times) for name, ratio in ratios.items()}


def _score(ratio: Ratio, numbers: Mapping[str, int], times: NDArray[np.int64] | None) -> Score:
    """``times``: how often each clip is drawn, ``(B, clips)``."""
    sums, judged = np.zeros((2, len(numbers))), set()
    for sample, parts in ratio.parts.items():
        if sample.clip in numbers:
            judged.add(sample.clip)
            sums[:, numbers[sample.clip]] += parts
    if not judged:
        return Score(skipped=ratio.if_unjudged)
    value = _divide(ratio, sums.sum(axis=1))
    if np.isnan(value):
        return Score(skipped=ratio.if_unjudged)
    if times is None or len(judged) < FEWEST_FOR_INTERVALS:
        return Score(value=value)
    found = tuple(_divide(ratio, drawn) for drawn in times @ sums.T)
    low, high = np.nanquantile(found, [0.025, 0.975])
    return Score(value=value, low=float(low), high=float(high), replicas=found)


def _divide(ratio: Ratio, sums: NDArray[np.float64]) -> float:
    """NaN where it is undefined: clips were drawn of which none is judged."""
    if sums[1] > 0:
        return float(sums[0] / sums[1])
    return float("nan") if ratio.if_empty is None else ratio.if_empty
