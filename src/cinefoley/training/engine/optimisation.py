"""Optimiser, learning rate schedule, averaged weights (EMA), and the mode of BatchNorm in training."""

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from cinefoley.config.training import TrainConfig
from cinefoley.training.engine.muon import MuonWithAdamW

if TYPE_CHECKING:
    from diffusers.training_utils import EMAModel

__all__ = ["build_ema", "build_optimizer", "constant_rate_steps", "learning_rate", "set_mode"]

_FALLING_SHARE = 0.2
"""Share of the steps, at the end of a trapezoid, over which its learning rate falls to 0."""


def learning_rate(config: TrainConfig, step: int) -> float:
    """Learning rate of step ``step``, counted from 0."""
    done = step + 1
    if done <= config.warmup_steps:
        return config.learning_rate * done / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "trapezoid":
        return config.learning_rate * min(1.0, (config.steps - done + 1) / (_FALLING_SHARE * config.steps))
    progress = (done - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def constant_rate_steps(steps: int) -> int:
    """Number of steps of a trapezoid before its learning rate falls."""
    return round((1 - _FALLING_SHARE) * steps)


def build_optimizer(module: nn.Module, config: TrainConfig) -> torch.optim.AdamW | MuonWithAdamW:
    """Build AdamW, or Muon with AdamW; tensors of one dimension do not decay.

    Raises:
        DependencyError: If this PyTorch has no Muon.
    """
    if config.optimizer == "muon":
        return MuonWithAdamW(
            module, learning_rate=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
        )
    decayed = [p for p in module.parameters() if p.ndim > 1]
    plain = [p for p in module.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=config.learning_rate,
        betas=config.betas,
        fused=True,
    )


def build_ema(module: nn.Module, config: TrainConfig) -> "EMAModel | None":
    """Build the running averages of the parameters; None if the configuration has no ``ema_decay``."""
    if config.ema_decay is None:
        return None
    from diffusers.training_utils import EMAModel

    return EMAModel(module.parameters(), decay=config.ema_decay, use_ema_warmup=True, power=0.75)


def set_mode(module: nn.Module, batch_norm: str) -> None:
    """Set a module to training mode; ``frozen`` BatchNorm uses its stored statistics and keeps them."""
    module.train()
    if batch_norm == "frozen":
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
