"""Settings of a training run."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["TrainConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How long, how fast and how carefully to train; what is trained is the task's business."""

    steps: int
    """Optimiser steps in the whole run."""
    batch_size: int = 16
    """Clips per step."""
    learning_rate: float = 1e-4
    """Peak learning rate of AdamW."""
    warmup_steps: int = 100
    """Steps over which the learning rate rises from 0."""
    schedule: Literal["constant", "cosine", "trapezoid"] = "cosine"
    """What the learning rate does after the warm-up. Cosine falls to 0; trapezoid stays level and falls to 0
    over the last fifth, so that a run can be made longer while it is still level."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's running averages."""
    weight_decay: float = 0.01
    """AdamW's decoupled decay; not applied to tensors of one dimension."""
    max_grad_norm: float = 1.0
    """Gradients with a larger norm are scaled down to it."""
    ema_decay: float | None = None
    """Decay of the averaged weights that are saved at the end, or None to save the last ones."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Arithmetic of the forward pass; auto takes bf16 where the processor has it."""
    seed: int = 0
    """Every random number of step ``n`` depends on ``(seed, n)`` alone, so a resumed run repeats none."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    log_every: int = 20
    """Steps between lines in the log."""

    def __post_init__(self) -> None:
        if min(self.steps, self.batch_size, self.checkpoint_every, self.log_every) < 1:
            raise ValueError(f"steps, batch_size, checkpoint_every and log_every must be positive: {self}")
        if not 0 < self.learning_rate < 1 or not 0 <= self.weight_decay < 1:
            raise ValueError(f"learning_rate must be in (0, 1) and weight_decay in [0, 1): {self}")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(f"ema_decay must be in (0, 1), got {self.ema_decay}")
