"""Scores: one number of a metric with its 95 % bootstrap interval over clips, and numbers made of several."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DISTRIBUTION_METRICS",
    "FEWEST_FOR_INTERVALS",
    "Draws",
    "Score",
    "bootstrap_draws",
    "combine",
    "difference",
    "interval",
    "score_as_json",
]

DISTRIBUTION_METRICS = ("FAD", "FD", "KID", "KL", "IS")
"""Metrics computed from the features of all sounds together, in the paper's order."""

FEWEST_FOR_INTERVALS = 10
"""Fewest clips for which an interval is computed."""

Draws = NDArray[np.int64]
"""Clips of each resampling, ``(B, clips)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One number, or why there is none."""

    value: float | None = None
    """The number; None where the metric is undefined."""
    spread: float | None = None
    """Standard deviation over subsets (KID) or splits (IS)."""
    low: float | None = None
    """Lower end of the 95 % interval over clips."""
    high: float | None = None
    """Its upper end."""
    skipped: str | None = None
    """Why there is no number."""
    replicas: tuple[float, ...] = ()
    """The number on resampled clips, NaN where it is undefined on them; stored to compare two methods on the
    same resamplings."""


def bootstrap_draws(
    num_clips: int, *, replicas: int, seed: int, fewest: int = FEWEST_FOR_INTERVALS
) -> Draws | None:
    """Draw clips with replacement; None for no replicas, or for fewer than ``fewest`` clips."""
    if replicas == 0 or num_clips < fewest:
        return None
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.integers(num_clips, size=(replicas, num_clips))


def interval(metric: str, value: float, replicas: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a metric, or of a difference in it, from its resamplings.

    Distances grow when clips are drawn twice, so raw percentiles may lie wholly above the value: only
    the spread of their replicas around their mean is used. Shares of clips or events have no such bias: their
    intervals are percentiles.

    Args:
        metric: Its name, with or without a backbone's.
        value: On the clips themselves.
        replicas: On resampled clips; NaN where it is undefined.
    """
    drawn = np.asarray(replicas)
    shift = 0.0
    if metric.partition("-")[0] in DISTRIBUTION_METRICS:
        shift = value - float(np.nanmean(drawn))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return shift + float(low), shift + float(high)


def combine(metric: str, scores: Sequence[Score], function: Callable[..., float]) -> Score:
    """A number computed from several scores, with its interval from the same resamplings of the clips.

    Args:
        metric: What all of them measure.
        scores: Of methods or views on the same clips, resampled with the same seed.
        function: From their values to the new one.

    Returns:
        Skipped where one of them is, or the function is not defined on their values; without an interval
        where one has none, or the function is not defined on a tenth of the resamplings.
    """
    values = [score.value for score in scores]
    if any(value is None for value in values):
        return Score(skipped=next(score.skipped for score in scores if score.value is None))
    value = function(*values)
    if not math.isfinite(value):
        return Score(skipped="not defined on these numbers")
    counts = {len(score.replicas) for score in scores}
    if counts == {0} or len(counts) > 1:
        return Score(value=value)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = [function(*parts) for parts in zip(*(score.replicas for score in scores), strict=True)]
    finite = np.isfinite(drawn)
    if finite.mean() < 0.9:
        return Score(value=value)
    low, high = interval(metric, value, np.asarray(drawn)[finite].tolist())
    return Score(value=value, low=low, high=high, replicas=tuple(drawn))


def difference(mine: float, theirs: float) -> float:
    """For :func:`combine`: how far one method is above another."""
    return mine - theirs


def score_as_json(score: Score) -> dict[str, Any]:
    """A score without its resampled numbers."""
    keys = ("value", "spread", "low", "high", "skipped")
    return {key: value for key in keys if (value := getattr(score, key)) is not None}
