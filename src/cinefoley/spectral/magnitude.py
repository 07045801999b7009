"""Mel spectrogram to the magnitudes of a short-time Fourier transform."""

from dataclasses import replace
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.filters import mel_filters
from cinefoley.spectral.levels import unit_to_amplitude

__all__ = ["Compat", "MelFit", "check_mel", "inversion_filters", "mel_to_magnitude"]

Compat = Literal["diff-foley"]
"""Known errors of references to reproduce; ``diff-foley``: filters for 22.05 kHz on 16 kHz mels."""

_SLIPPED_SAMPLE_RATE = 22050


def mel_to_magnitude(mel: Tensor, *, config: MelConfig | None = None, compat: Compat | None = None) -> Tensor:
    """Compute non-negative magnitudes for given mel bands: the least-norm solution, clipped at zero.

    Source: ``librosa.feature.inverse.mel_to_stft``, whose iterative solver starts from the same estimate and
    stops there for mels of this kind: its result differs by 3e-4 of the maximum (``tests/parity``).
    The reference starts from it. :func:`~cinefoley.spectral.inverse.invert_mel` starts from a closer
    estimate, :meth:`MelFit.smooth_magnitude`.

    Args:
        mel: ``(B, n_mels, frames)`` in [0, 1]; values outside are clipped.
        config: Settings of the mel; ``MelConfig()`` if not given.
        compat: ``"diff-foley"`` reproduces the wrong filters of the reference (see ``invert_mel``).

    Returns:
        Magnitudes ``(B, n_fft // 2 + 1, frames)``, float32, at least 0; 0 in bins that no band covers.

    Raises:
        ValueError: If the mel's shape does not fit ``config``, or it is not floating point, or not finite.

    Examples:
        >>> mel_to_magnitude(torch.full((1, 128, 4), 0.5)).shape
        torch.Size([1, 513, 4])
    """
    config = config or MelConfig()
    check_mel(mel, config)
    inverse = _pseudo_inverse(_filter_config(config, compat)).to(mel.device)
    return (inverse @ unit_to_amplitude(mel.float(), config)).clamp_(min=0)


def inversion_filters(config: MelConfig, compat: Compat | None, device: torch.device) -> Tensor:
    """Mel filters ``(n_mels, n_fft // 2 + 1)`` for the inverse: the correct ones, or those of ``compat``."""
    return mel_filters(_filter_config(config, compat), device=device)


def check_mel(mel: Tensor, config: MelConfig) -> None:
    """Raise ``ValueError`` unless ``mel`` is a finite ``(B, n_mels, frames)``, at least one frame long."""
    if mel.ndim != 3 or mel.shape[1] != config.n_mels or mel.shape[2] < 1:
        raise ValueError(f"a batch of mels has shape (B, {config.n_mels}, frames), got {tuple(mel.shape)}")
    if not mel.is_floating_point():
        raise ValueError(f"a mel must have floating-point values in [0, 1], got {mel.dtype}")
    if not torch.isfinite(mel).all():
        raise ValueError("the mel contains NaN or infinite values")


class MelFit:
    """Fits magnitudes to given mel amplitudes by multiplicative updates, which never give negative values.

    Source: simultaneous multiplicative algebraic reconstruction. A bin is scaled by the ratio of the target
    amplitude to the present one, overrelaxed and averaged over the bands that cover it.

    Args:
        amplitude: Target mel amplitudes, frame-major: ``(B, frames, n_mels)``, above 0.
        filters: ``(n_mels, bins)``.
    """

    _LARGEST_RATIO = 4.0
    _OVERRELAXATION = 1.5  # as a power of the ratio: 1 takes more updates, 2 oscillates

    def __init__(self, amplitude: Tensor, filters: Tensor) -> None:
        coverage = filters.sum(0)
        self.is_covered = coverage > 0
        self._amplitude = amplitude
        self._tiny = 1e-3 * amplitude.min()
        self._summing = filters.T.contiguous()
        self._averaging = filters / coverage.clamp(min=torch.finfo(filters.dtype).tiny)
        self._uncovered = (~self.is_covered).to(filters.dtype)

    def update(self, magnitude: Tensor, *, out: Tensor) -> Tensor:
        """Write one update of ``magnitude (B, frames, bins)`` to ``out``; uncovered bins do not change."""
        ratio = self._amplitude / (magnitude @ self._summing).add_(self._tiny)
        step = ratio.clamp_(max=self._LARGEST_RATIO).pow_(self._OVERRELAXATION)
        torch.matmul(step, self._averaging, out=out)
        return out.add_(self._uncovered).mul_(magnitude)

    def smooth_magnitude(self, num_updates: int = 3) -> Tensor:
        """Fit that starts constant in each band, so it is smooth over bins; 0 in bins that no band covers."""
        magnitude = (self._amplitude / self._summing.sum(0)) @ self._averaging
        updated = torch.empty_like(magnitude)
        for _ in range(num_updates):
            magnitude, updated = self.update(magnitude, out=updated), magnitude
        return magnitude


def _filter_config(config: MelConfig, compat: Compat | None) -> MelConfig:
    if compat is None:
        return config
    if compat != "diff-foley":
        raise ValueError(f"compat must be None or 'diff-foley', got {compat!r}")
    return replace(config, sample_rate=_SLIPPED_SAMPLE_RATE)


@lru_cache(maxsize=16)
def _pseudo_inverse(config: MelConfig) -> Tensor:
    inverse: Tensor = torch.linalg.pinv(mel_filters(config).double())
    return inverse.float()
