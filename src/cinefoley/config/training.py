"""Training settings: optimiser, learning rate, batches, checkpoints and log of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["LOG_EVERY", "OPTIMIZERS", "OptimizerConfig", "TrainConfig"]

OPTIMIZERS: Mapping[str, str] = {"adamw": "AdamW", "muon": "Muon"}
"""Names of the optimisers for reports and model cards."""

LOG_EVERY = 20
"""Steps between two lines of the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """Batch, optimiser and learning rate: what a recipe and the engine's settings have in common."""

    batch_size: int = 16
    """Number of clips per optimiser step, over all ranks. More ranks change the speed, not the result."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """Optimiser: AdamW, or Muon (Jordan 2024) for matrices and kernels and AdamW for all else; Muon needs
    PyTorch 2.9."""
    learning_rate: float = 1e-4
    """Peak learning rate."""
    warmup_steps: int = 100
    """Steps over which the learning rate rises from 0."""
    schedule: Literal["constant", "cosine", "trapezoid"] = "cosine"
    """Learning rate after the warm-up: constant; cosine, which falls to 0; or trapezoid, which stays level
    and falls to 0 over the last fifth. A run with trapezoid can be extended while it is still level."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's running averages."""
    weight_decay: float = 0.01
    """Decoupled weight decay; not applied to tensors of one dimension."""
    max_grad_norm: float | None = 1.0
    """Gradients with a larger norm are scaled down to it; None does not clip."""
    ema_decay: float | None = None
    """Decay of the averaged weights (EMA) that a run ends with, or None to end with the last weights."""
    seed: int = 0
    """Seed of the initial weights and of every draw. Every random number of step ``n`` depends on
    ``(seed, n)`` only, so a resumed run repeats none."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig(OptimizerConfig):
    """Settings of the engine: how long, how fast and how carefully to train a task."""

    steps: int
    """Number of optimiser steps in the whole run."""
    gradient_accumulation: int = 1
    """Number of parts in which a batch is computed one after the other, to need less memory. Losses that
    compare the clips of a batch with one another compare within a part only."""
    batch_norm: Literal["train", "frozen"] = "train"
    """Statistics of BatchNorm: ``train`` takes those of the clips that one rank computes at once, and
    averages them over time; ``frozen`` takes the stored ones and keeps them, so that a run does not depend on
    how its batches are divided. Scale and shift are trained either way."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Number format of the forward pass; auto takes bf16 where it is faster than fp32. A resumed run keeps
    the one that it began with. Weights stay fp32."""
    log_every: int = LOG_EVERY
    """Steps between lines of the log."""
    validate_every: int | None = None
    """Steps between validations, a multiple of ``log_every``; None validates after the last step only."""
    sample_every: int | None = None
    """Steps between audio samples; None makes them after the last step only."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "gradient_accumulation", "checkpoint_every", "log_every"):
            _check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("validate_every", "sample_every"):
            every = getattr(self, name)
            _check(every is None or every >= 1, name, "at least 1, or None", every)
        _check(self.warmup_steps >= 0, "warmup_steps", "0 or more", self.warmup_steps)
        _check(0 < self.learning_rate < 1, "learning_rate", "in (0, 1)", self.learning_rate)
        _check(0 <= self.weight_decay < 1, "weight_decay", "in [0, 1)", self.weight_decay)
        _check(all(0 <= beta < 1 for beta in self.betas), "betas", "in [0, 1)", self.betas)
        norm, decay = self.max_grad_norm, self.ema_decay
        _check(norm is None or norm > 0, "max_grad_norm", "positive, or None for no clipping", norm)
        _check(decay is None or 0 < decay < 1, "ema_decay", "in (0, 1), or None for no averaging", decay)
        for name, choices in (
            ("optimizer", tuple(OPTIMIZERS)),
            ("schedule", ("constant", "cosine", "trapezoid")),
            ("batch_norm", ("train", "frozen")),
            ("precision", ("auto", "bf16", "fp32")),
        ):
            _check(getattr(self, name) in choices, name, f"one of {', '.join(choices)}", getattr(self, name))
        if self.batch_size % self.gradient_accumulation:
            raise ValueError(
                f"batch_size must divide into gradient_accumulation equal parts, got {self.batch_size} clips "
                f"in {self.gradient_accumulation} parts"
            )
        if self.validate_every is not None and self.validate_every % self.log_every:
            raise ValueError(
                f"validate_every must be a multiple of log_every ({self.log_every}), since its results go "
                f"into lines of the log, got {self.validate_every}"
            )


def _check(is_right: bool, name: str, expected: str, value: object) -> None:
    if not is_right:
        raise ValueError(f"{name} must be {expected}, got {value!r}")
