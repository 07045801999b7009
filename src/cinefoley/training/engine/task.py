"""Training task: the interface between the engine and what it trains (draw, load, losses)."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from cinefoley.config.mel import MelConfig
from cinefoley.training.engine.epochs import EpochOrder
from cinefoley.training.engine.step_seeds import step_generator

__all__ = ["Batch", "Sample", "Task"]

Batch = dict[str, Tensor]
"""Tensors by name; row ``i`` of every one of them belongs to sample ``i``."""

_VALID_SEED = 2**20  # not a run's


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """An audio sample of a model in training."""

    name: str
    """Part of the file names: letters, digits, ``-``, ``_`` and dots."""
    mel: Tensor
    """``(n_mels, frames)`` in [0, 1]."""
    config: MelConfig
    """The front-end of ``mel``."""
    waveform: Tensor | None = None
    """``(N,)`` at the front-end's sample rate; None inverts the mel."""
    events_s: Sequence[float] = ()
    """Times of events to mark, in seconds."""


class Task(ABC):
    """One stage of training.

    A step has three parts, so that several ranks, and the parts of an accumulated gradient, can share it:
    :meth:`draw` makes every random choice for the whole batch, the same on every rank, and reads no data;
    :meth:`load` reads the data of the rows of one rank and part; :meth:`losses` computes, without randomness.

    Examples:
        >>> class Line(Task):
        ...     name = "line"
        ...
        ...     def __init__(self, points: Tensor) -> None:
        ...         self.module, self.points = nn.Linear(1, 1), points
        ...
        ...     def draw(self, step, generator, batch_size):
        ...         return {"index": torch.randint(len(self.points), (batch_size,), generator=generator)}
        ...
        ...     def load(self, rows):
        ...         return {"points": self.points[rows["index"]]}
        ...
        ...     def losses(self, batch, *, step):
        ...         x, y = batch["points"].split(1, dim=1)
        ...         return {"loss": (self.module(x) - y).square().mean()}
    """

    name: ClassVar[str]
    """Name of the stage; a checkpoint of one stage cannot be resumed in another."""
    compares_rows: ClassVar[bool] = False
    """Whether the loss compares the samples of a batch with one another, as a contrastive loss does. It must
    then gather them with :func:`~cinefoley.training.engine.ranks.gather_rows`."""
    prefetches: bool = False
    """Whether a thread loads the next step's rows while this one is computed. Then :meth:`load` must not use
    the global random state or the module."""
    epoch_order: EpochOrder | None = None
    """Order of the clips, each once in an epoch; None draws the clips of every step from all of them."""
    held_out: "Task | None" = None
    """The same module on held-out clips, for validation; tasks make one with :meth:`on`."""
    module: nn.Module
    """All trained parameters, under one root. Every step must use each of them. Its dropout is seeded by step
    and rank."""

    def on(self, **data: Any) -> Self:
        """The same task on other clips.

        Args:
            data: The attributes that hold the clips, such as ``clips=...``.
        """
        other = copy.copy(self)
        for name, value in data.items():
            getattr(self, name)  # a misspelled name is an error
            setattr(other, name, value)
        return other

    @property
    def settings(self) -> Mapping[str, object]:
        """Settings that a resumed run must repeat, such as the weights of the loss; JSON values."""
        return {}

    @abstractmethod
    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose the samples of one step, and draw every random number for them.

        Args:
            step: Counted from 0.
            generator: The only source of randomness.
            batch_size: Samples of all ranks and parts together.

        Returns:
            Small tensors on the CPU, each with ``batch_size`` rows. Large random tensors are better drawn in
            :meth:`load` from a seed per row.
        """

    def choose(self, step: int, generator: torch.Generator, batch_size: int, *, count: int) -> Tensor:
        """Choose the rows of a step, for :meth:`draw`: ``(batch_size,)`` int64, below ``count``."""
        if self.epoch_order is None:
            return torch.randint(count, (batch_size,), generator=generator)
        return self.epoch_order.draw(step, batch_size, count=count)

    def load(self, rows: Batch) -> Batch:
        """Read the data of some rows of a draw; the engine moves the result to the device.

        Args:
            rows: Some rows of what :meth:`draw` returned.

        Returns:
            The same number of rows; by default ``rows`` themselves.
        """
        return rows

    @abstractmethod
    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Losses by name, each the mean over the rows of ``batch``; ``"loss"`` is minimised.

        Args:
            batch: What :meth:`load` returned, on the device of :attr:`module`.
            step: Counted from 0.
        """

    def loss(self, step: int, generator: torch.Generator, batch_size: int) -> dict[str, Tensor]:
        """The losses of a whole step, in this process and without the engine."""
        device = next(self.module.parameters()).device
        batch = self.load(self.draw(step, generator, batch_size))
        return self.losses({name: rows.to(device) for name, rows in batch.items()}, step=step)

    def clip_names(self, rows: Batch) -> list[str]:
        """Names of the clips in some rows of a draw, for error messages."""
        index = rows.get("index")
        return [] if index is None else [f"clip {number}" for number in index.flatten().tolist()]

    def validate(self) -> dict[str, float]:
        """Losses or other measures on held-out clips, computed on rank 0 without gradients.

        Returns:
            Mean losses over eight batches of 16 of :attr:`held_out`, the same ones every time; empty without
            it.
        """
        if self.held_out is None:
            return {}
        with torch.no_grad():
            batches = [self.held_out.loss(0, step_generator(_VALID_SEED, n), 16) for n in range(8)]
        return {name: sum(float(losses[name]) for losses in batches) / 8 for name in batches[0]}

    def samples(self) -> Sequence[Sample]:
        """Audio samples of the model, made on rank 0 without gradients; none by default."""
        return ()
