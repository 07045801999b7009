"""Convert mel amplitudes to the [0, 1] scale of the models, and back."""

import torch
from torch import Tensor

from cinefoley.config.mel import MelConfig

__all__ = ["amplitude_to_unit", "unit_to_amplitude"]


def amplitude_to_unit(amplitude: Tensor, config: MelConfig) -> Tensor:
    """Map amplitudes to [0, 1], linear in decibels, clipped at ``floor_db`` and ``ceiling_db``."""
    floor = 10 ** (config.floor_db / 20)
    level_db = 20 * torch.log10(amplitude.clamp(min=floor))
    return ((level_db - config.floor_db) / (config.ceiling_db - config.floor_db)).clamp(0, 1)


def unit_to_amplitude(mel: Tensor, config: MelConfig) -> Tensor:
    """Map [0, 1] to amplitudes, the inverse of :func:`amplitude_to_unit`; values outside are clipped first.

    The floor is an amplitude, not zero: 0 gives ``10 ** (floor_db / 20)``, 1e-4 by default.
    """
    level_db = config.floor_db + mel.clamp(0, 1) * (config.ceiling_db - config.floor_db)
    return torch.pow(10.0, level_db / 20)
