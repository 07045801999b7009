"""Slaney's mel filter bank."""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.config.mel import MelConfig

__all__ = ["mel_filters"]

_LINEAR_STEP_HZ = 200 / 3
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _LINEAR_STEP_HZ
_LOG_STEP = np.log(6.4) / 27


def mel_filters(config: MelConfig, *, device: torch.device | str | None = None) -> Tensor:
    """Weights that sum the bins of a magnitude spectrum into mel bands.

    Source: Slaney, *Auditory Toolbox*, 1998, as ``librosa.filters.mel`` defines it with its defaults: linear
    below 1 kHz and logarithmic above, triangles that meet at each other's peaks, each of area one in Hz.

    Args:
        config: Sample rate, transform length, number of bands and their range.
        device: Device of the weights; the CPU by default.

    Returns:
        Weights ``(n_mels, n_fft // 2 + 1)``, float32, at least 0. At most two bands cover a bin.

    Raises:
        ValueError: If a band is too narrow to contain a bin of the spectrum.

    Examples:
        >>> mel_filters(MelConfig()).shape
        torch.Size([128, 513])
    """
    return torch.tensor(_weights(config), device=device)


@lru_cache(maxsize=16)
def _weights(config: MelConfig) -> NDArray[np.float32]:
    bins = np.arange(config.n_fft // 2 + 1) * config.sample_rate / config.n_fft
    edges = _mel_to_hz(np.linspace(_hz_to_mel(config.f_min), _hz_to_mel(config.f_max), config.n_mels + 2))
    lower, peak, upper = (edges[i : i + config.n_mels, None] for i in range(3))
    triangles = np.minimum((bins - lower) / (peak - lower), (upper - bins) / (upper - peak)).clip(min=0)
    empty = np.flatnonzero(triangles.max(axis=1) == 0)
    if empty.size:
        raise ValueError(
            f"mel band {empty[0]} of {config.n_mels} contains no bin of a {config.n_fft}-sample spectrum at "
            f"{config.sample_rate} Hz; use fewer bands or a longer n_fft"
        )
    weights: NDArray[np.float32] = (triangles * 2 / (upper - lower)).astype(np.float32)
    return weights


def _hz_to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz / _LINEAR_STEP_HZ
    return float(_KNEE_MEL + np.log(hz / _KNEE_HZ) / _LOG_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.maximum(mel - _KNEE_MEL, 0)
    hz: NDArray[np.float64] = np.minimum(mel, _KNEE_MEL) * _LINEAR_STEP_HZ + _KNEE_HZ * np.expm1(
        above * _LOG_STEP
    )
    return hz
