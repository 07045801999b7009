"""Distribution metrics (FAD, FD, KID, KL, IS) of two sets of features, with bootstrap intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.evaluation.folder.protocols import Protocol
from cinefoley.evaluation.scores import DISTRIBUTION_METRICS, Draws, Score, interval
from cinefoley.metrics.backbones.protocol import Embedding
from cinefoley.metrics.functional.divergence import kl_divergence_terms
from cinefoley.metrics.functional.frechet import frechet_distance, frechet_influences
from cinefoley.metrics.functional.inception import inception_score
from cinefoley.metrics.functional.kernel import kernel_inception_distance, weighted_kernel_distance

__all__ = ["Side", "score_sides"]

_MOST_EXACT = 5e10  # rows times squared width up to which resampled Frechet distances are exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The features of one folder, in the order of clips and samples."""

    clips: Sequence[int]
    """Number of the clip of each row, ascending."""
    embeddings: Sequence[Embedding]
    """One per row, of one backbone."""

    def rows(self) -> Tensor:
        """``(R, D)``: one row per sound, or one per segment of it."""
        return torch.cat([e.features if e.features.ndim == 2 else e.features[None] for e in self.embeddings])

    def logits(self) -> Tensor:
        """``(R, C)``."""
        return torch.stack([e.logits for e in self.embeddings if e.logits is not None])

    def clips_of_rows(self) -> NDArray[np.int64]:
        """Number of the clip of each row of :meth:`rows`."""
        counts = [len(e.features) if e.features.ndim == 2 else 1 for e in self.embeddings]
        return np.repeat(np.asarray(self.clips, dtype=np.int64), counts)


def score_sides(
    real: Mapping[str, Side],
    generated: Mapping[str, Side],
    *,
    protocol: Protocol,
    is_paired: bool,
    real_draws: Draws | None = None,
    generated_draws: Draws | None = None,
) -> dict[str, Score]:
    """Compute every metric that the features allow.

    Segment features (VGGish) give FAD; one vector per sound gives FD and KID, its logits KL and IS. Metrics
    of backbones other than PANNs and VGGish carry the backbone's name, so that they are not mixed.

    Args:
        real: The real sounds, by backbone.
        generated: The generated ones.
        protocol: Choices of the protocol.
        is_paired: Whether clips of one number belong together; else there is no KL.
        real_draws: Clips of the real side in each resampling; None computes no intervals.
        generated_draws: The same of the generated side: the same draws, if the clips are paired.
    """
    scores: dict[str, Score] = {}
    if not is_paired:  # without pairs the repetitions are unknown
        protocol = replace(protocol, repeats_real=False)
    for name in generated:
        suffix = "" if name in ("panns", "vggish") else f"-{name}"
        job = _Job(real[name], generated[name], protocol, real_draws, generated_draws)
        if generated[name].embeddings[0].features.ndim == 2:
            scores[f"FAD{suffix}"] = _guarded(job.frechet)
            continue
        scores[f"FD{suffix}"] = _guarded(job.frechet)
        if protocol.has_kid:
            scores[f"KID{suffix}"] = _guarded(job.kernel)
        if generated[name].embeddings[0].logits is None:
            continue
        scores[f"KL{suffix}"] = (
            _guarded(job.divergence) if is_paired else Score(skipped="clips are not paired")
        )
        scores[f"IS{suffix}"] = _guarded(job.inception)
    order = {metric: rank for rank, metric in enumerate(DISTRIBUTION_METRICS)}
    return dict(sorted(scores.items(), key=lambda item: order[item[0].partition("-")[0]]))


class _Job:
    """All distribution metrics of one backbone."""

    def __init__(
        self,
        real: Side,
        generated: Side,
        protocol: Protocol,
        real_draws: Draws | None,
        generated_draws: Draws | None,
    ) -> None:
        self._protocol = protocol
        self._paired = (real, generated)
        self._real = _repeat(real, generated) if protocol.repeats_real else real
        self._generated = generated
        self._draws = None
        if real_draws is not None and generated_draws is not None:
            self._draws = (real_draws, generated_draws)

    def frechet(self) -> Score:
        real, generated = self._real.rows(), self._generated.rows()
        value = float(frechet_distance(real, generated))
        if self._draws is None:
            return Score(value=value)
        if max(len(real), len(generated)) * real.shape[1] ** 2 > _MOST_EXACT:
            return _with_interval("FD", value, self._linear_replicas(real, generated, value))
        pick_real, pick_generated = _Picker(self._real), _Picker(self._generated)
        replicas = [
            float(frechet_distance(real[pick_real(first)], generated[pick_generated(second)]))
            for first, second in zip(*self._draws, strict=True)
        ]
        return _with_interval("FD", value, replicas)

    def _linear_replicas(self, real: Tensor, generated: Tensor, value: float) -> list[float]:
        """Distances of the resamplings to first order, because every exact one takes minutes."""
        assert self._draws is not None
        replicas = np.full(len(self._draws[0]), value)
        sides = zip((self._real, self._generated), frechet_influences(real, generated), strict=True)
        for (side, influences), draws in zip(sides, self._draws, strict=True):
            sums, counts = _sums_of_clips(side, influences)
            drawn = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
            replicas += drawn
        return replicas.tolist()

    def kernel(self) -> Score:
        real, generated = self._real.rows(), self._generated.rows()
        mean, spread = (float(value) for value in kernel_inception_distance(real, generated))
        if self._draws is None:
            return Score(value=mean, spread=spread)
        weights = (
            _weights(side, draws)
            for side, draws in zip((self._real, self._generated), self._draws, strict=True)
        )
        replicas = weighted_kernel_distance(real, generated, *weights).tolist()
        return _with_interval("KID", mean, replicas, spread=spread)

    def divergence(self) -> Score:
        real, generated = self._paired
        by_clip = dict(zip(real.clips, real.embeddings, strict=True))
        partners = Side(clips=generated.clips, embeddings=[by_clip[clip] for clip in generated.clips])
        terms = kl_divergence_terms(partners.logits(), generated.logits(), epsilon=self._protocol.kl_epsilon)
        if self._draws is None:
            return Score(value=float(terms.mean()))
        pick = _Picker(generated)
        return _with_interval(
            "KL", float(terms.mean()), [float(terms[pick(drawn)].mean()) for drawn in self._draws[1]]
        )

    def inception(self) -> Score:
        logits = self._generated.logits()
        mean, spread = (float(value) for value in inception_score(logits))
        if self._draws is None:
            return Score(value=mean, spread=spread)
        pick = _Picker(self._generated)
        replicas = [float(inception_score(logits[pick(drawn)])[0]) for drawn in self._draws[1]]
        return _with_interval("IS", mean, replicas, spread=spread)


class _Picker:
    """Finds the rows of drawn clips."""

    def __init__(self, side: Side) -> None:
        clips = side.clips_of_rows()
        self._numbers = sorted(set(clips.tolist()))
        self._rows = [np.flatnonzero(clips == number) for number in self._numbers]

    def __call__(self, drawn: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.concatenate([self._rows[place] for place in drawn]))


def _sums_of_clips(side: Side, values: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of the rows' values, and number of rows, of each clip."""
    _, places = np.unique(side.clips_of_rows(), return_inverse=True)
    sums: NDArray[np.float64] = np.bincount(places, weights=values.numpy()).astype(np.float64)
    return sums, np.bincount(places).astype(np.float64)


def _weights(side: Side, draws: Draws) -> Tensor:
    """How often each row counts in each resampling, ``(R, B)``."""
    clips = side.clips_of_rows()
    _, places = np.unique(clips, return_inverse=True)
    counts = np.stack([np.bincount(drawn, minlength=draws.shape[1]) for drawn in draws], axis=1)
    return torch.from_numpy(counts[places]).double()


def _repeat(real: Side, generated: Side) -> Side:
    """The real sounds, once for each generated sample of their clip."""
    by_clip = dict(zip(real.clips, real.embeddings, strict=True))
    return Side(clips=generated.clips, embeddings=[by_clip[clip] for clip in generated.clips])


def _guarded(compute: Callable[[], Score]) -> Score:
    """The metric, or a skipped score with the reason if it is undefined on this input."""
    try:
        return compute()
    except ValueError as exc:
        return Score(skipped=str(exc))


def _with_interval(
    metric: str, value: float, replicas: Sequence[float], *, spread: float | None = None
) -> Score:
    low, high = interval(metric, value, replicas)
    return Score(value=value, spread=spread, low=low, high=high, replicas=tuple(replicas))
