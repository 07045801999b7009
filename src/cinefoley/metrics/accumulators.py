"""Metric accumulators for torchmetrics: updated by batch, synchronised over ranks, computed once."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from cinefoley.metrics.functional.divergence import Activation, kl_divergence
from cinefoley.metrics.functional.envelope import envelope_distance
from cinefoley.metrics.functional.frechet import frechet_distance
from cinefoley.metrics.functional.inception import inception_score
from cinefoley.metrics.functional.kernel import kernel_inception_distance

__all__ = ["EnvelopeDistance", "FrechetDistance", "InceptionScore", "KLDivergence", "KernelInceptionDistance"]


class _RowMetric(Metric):
    """Stores the rows of named sets, each row with the number of its clip.

    Before the computation the rows of all ranks are sorted by clip, so that the result is exactly the same
    for all batch sizes, numbers of ranks and orders. A clip that was added twice (samplers repeat
    some to fill up a rank) counts once. Two different sets of rows with the same clip number are an error
    when the metric is computed. Rows are stored in float32.
    """

    is_differentiable = False
    full_state_update = False
    _sets: tuple[str, ...]

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if width < 1:
            raise ValueError(f"width must be positive, got {width}")
        self.width = width
        for name in self._sets:
            self.add_state(f"{name}_rows", default=[], dist_reduce_fx="cat")
            self.add_state(f"{name}_keys", default=[], dist_reduce_fx="cat")

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the rows of all ranks; a rank without rows contributes an empty set."""
        for name in self._sets:
            if isinstance(rows := getattr(self, f"{name}_rows"), list) and not rows:
                self._store(name, torch.empty(0, self.width), torch.empty(0, dtype=torch.int64))
        super().sync(*args, **kwargs)

    def _store(self, name: str, rows: Tensor, clips: Tensor) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.width or clips.shape != rows.shape[:1]:
            raise ValueError(
                f"{type(self).__name__}: expected rows (R, {self.width}) and the clips they belong to (R,), "
                f"got {tuple(rows.shape)} and {tuple(clips.shape)}"
            )
        clips = clips.to(self.device, torch.int64)
        getattr(self, f"{name}_rows").append(rows.detach().to(self.device, torch.float32))
        getattr(self, f"{name}_keys").append(torch.stack([clips, _places(clips)], dim=1))

    def _ordered(self, name: str) -> Tensor:
        rows, keys = getattr(self, f"{name}_rows"), getattr(self, f"{name}_keys")
        if isinstance(rows, list):
            if not rows:
                return torch.empty(0, self.width)
            rows, keys = torch.cat(rows), torch.cat(keys)
        distinct, group = torch.unique(keys, dim=0, return_inverse=True)
        first = torch.full((len(distinct),), len(keys), device=keys.device)
        first.scatter_reduce_(0, group, torch.arange(len(keys), device=keys.device), "amin")
        chosen: Tensor = rows[first]
        if len(distinct) < len(keys) and not _are_similar(rows, chosen[group]):
            raise ValueError(
                f"{type(self).__name__}: two updates have the same clip number but different rows. If "
                "one clip has several samples, give each sample its own number."
            )
        return chosen


class FrechetDistance(_RowMetric):
    """:func:`~cinefoley.metrics.functional.frechet.frechet_distance` of all updates.

    Args:
        width: Numbers in a row: 2048 for PANNs (FD), 128 for VGGish (FAD).
        **kwargs: torchmetrics' own, such as ``process_group``.

    Examples:
        >>> metric = FrechetDistance(width=1)
        >>> metric.update(torch.tensor([[0.0], [2.0]]), torch.arange(2), is_real=True)
        >>> metric.update(torch.tensor([[3.0], [5.0]]), torch.arange(2), is_real=False)
        >>> metric.compute()
        tensor(9., dtype=torch.float64)
    """

    higher_is_better = False
    _sets = ("real", "generated")

    def __init__(self, width: int = 2048, **kwargs: Any) -> None:
        super().__init__(width, **kwargs)

    def update(self, features: Tensor, clips: Tensor, *, is_real: bool) -> None:
        """Take features in.

        Args:
            features: ``(R, width)``.
            clips: Number of the clip that each row belongs to, ``(R,)``, the same on every rank. Pass all
                rows of a clip in one call. Each sample of a clip needs its own number.
            is_real: Whether they belong to the reference.

        Raises:
            ValueError: If the shapes do not fit.
        """
        self._store("real" if is_real else "generated", features, clips)

    def compute(self) -> Tensor:
        """The distance, scalar float64; raises ``ValueError`` where the function does."""
        return frechet_distance(self._ordered("real"), self._ordered("generated"))


class KernelInceptionDistance(_RowMetric):
    """:func:`~cinefoley.metrics.functional.kernel.kernel_inception_distance` of all updates.

    Args:
        width: Numbers in a row.
        subsets: As there.
        subset_size: As there.
        seed: As there.
        **kwargs: torchmetrics' own.
    """

    higher_is_better = False
    _sets = ("real", "generated")

    def __init__(
        self,
        width: int = 2048,
        *,
        subsets: int = 100,
        subset_size: int = 1000,
        seed: int = 2020,
        **kwargs: Any,
    ) -> None:
        super().__init__(width, **kwargs)
        self.subsets, self.subset_size, self.seed = subsets, subset_size, seed

    def update(self, features: Tensor, clips: Tensor, *, is_real: bool) -> None:
        """Take features in, as :meth:`FrechetDistance.update` does."""
        self._store("real" if is_real else "generated", features, clips)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over subsets, scalars in float64."""
        return kernel_inception_distance(
            self._ordered("real"),
            self._ordered("generated"),
            subsets=self.subsets,
            subset_size=self.subset_size,
            seed=self.seed,
        )


class KLDivergence(_RowMetric):
    """:func:`~cinefoley.metrics.functional.divergence.kl_divergence` of all updated pairs.

    Args:
        width: Classes.
        activation: As there.
        epsilon: As there.
        **kwargs: torchmetrics' own.
    """

    higher_is_better = False
    _sets = ("real", "generated")

    def __init__(
        self,
        width: int = 527,
        *,
        activation: Activation = "softmax",
        epsilon: float = 1e-6,
        **kwargs: Any,
    ) -> None:
        super().__init__(width, **kwargs)
        self.activation, self.epsilon = activation, epsilon

    def update(self, real_logits: Tensor, generated_logits: Tensor, clips: Tensor) -> None:
        """Take pairs in: logits ``(R, width)`` of both sides, and the numbers of their clips ``(R,)``.

        All rows of a clip come in one call. Samples of one clip are clips of their own.
        """
        self._store("real", real_logits, clips)
        self._store("generated", generated_logits, clips)

    def compute(self) -> Tensor:
        """The mean over pairs, scalar float64."""
        return kl_divergence(
            self._ordered("real"),
            self._ordered("generated"),
            activation=self.activation,
            epsilon=self.epsilon,
        )


class EnvelopeDistance(_RowMetric):
    """:func:`~cinefoley.metrics.functional.envelope.envelope_distance` (E-L1) of all updated pairs.

    Args:
        width: Frames of an envelope.
        **kwargs: torchmetrics' own.
    """

    higher_is_better = False
    _sets = ("real", "generated")

    def __init__(self, width: int = 1024, **kwargs: Any) -> None:
        super().__init__(width, **kwargs)

    def update(self, real: Tensor, generated: Tensor, clips: Tensor) -> None:
        """Take pairs in: envelopes ``(R, width)`` of both sides, and the numbers of their clips ``(R,)``.

        All rows of a clip come in one call. Samples of one clip are clips of their own.
        """
        self._store("real", real, clips)
        self._store("generated", generated, clips)

    def compute(self) -> Tensor:
        """The mean over pairs, scalar float64."""
        return envelope_distance(self._ordered("real"), self._ordered("generated"))


class InceptionScore(_RowMetric):
    """:func:`~cinefoley.metrics.functional.inception.inception_score` of all updates.

    Args:
        width: Classes.
        splits: As there.
        seed: As there.
        **kwargs: torchmetrics' own.
    """

    higher_is_better = True
    _sets = ("generated",)

    def __init__(self, width: int = 527, *, splits: int = 10, seed: int | None = 2020, **kwargs: Any) -> None:
        super().__init__(width, **kwargs)
        self.splits, self.seed = splits, seed

    def update(self, logits: Tensor, clips: Tensor) -> None:
        """Take logits ``(R, width)`` of generated clips in, with the numbers of their clips ``(R,)``.

        All rows of a clip come in one call. Samples of one clip are clips of their own.
        """
        self._store("generated", logits, clips)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over splits, scalars in float64."""
        return inception_score(self._ordered("generated"), splits=self.splits, seed=self.seed)


def _are_similar(rows: Tensor, others: Tensor) -> bool:
    """Whether rows differ no more than those of one clip in different batches do."""
    return torch.allclose(rows, others, rtol=0.01, atol=0.01 * float(rows.abs().max()), equal_nan=True)


def _places(clips: Tensor) -> Tensor:
    """For each row, how many rows of its clip come before it."""
    order = clips.argsort(stable=True)
    ordered = clips[order]
    begins = torch.ones_like(ordered, dtype=torch.bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    index = torch.arange(len(clips), device=clips.device)
    starts = torch.where(begins, index, 0).cummax(dim=0).values if len(clips) else index
    return torch.empty_like(index).scatter_(0, order, index - starts)
