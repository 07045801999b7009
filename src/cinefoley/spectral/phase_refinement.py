"""Refine phases and magnitudes by Griffin-Lim iterations with momentum, guided by a mel."""

import torch
from torch import Tensor

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.magnitude import MelFit
from cinefoley.spectral.transform import FrameTransform

__all__ = ["refine_phase"]

_MOMENTUM = 0.99
_SMOOTHNESS = 0.2
"""Share of the first magnitude in every new target; without it, noise gets spurious gaps and peaks."""
_TINY = 1e-30


def refine_phase(
    magnitude: Tensor, phase: Tensor, *, fit: MelFit, config: MelConfig, num_iterations: int
) -> Tensor:
    """Estimate a waveform whose mel is close to that of ``fit``, from an initial magnitude and phase.

    Source: Griffin-Lim with momentum; :func:`~cinefoley.spectral.inverse.invert_mel` lists what differs.

    Args:
        magnitude: Initial magnitude, ``(B, frames, bins)``, at least 0.
        phase: Initial phase, same shape, in radians, relative to each frame's first sample.
        fit: Target mel. The target magnitude is updated from it and from the present waveform at every second
            iteration, since an update costs as much as the transforms.
        config: Settings of the mel.
        num_iterations: Number of iterations, at least 0.

    Returns:
        Waveforms ``(B, frames * hop_length)``.
    """
    transform = FrameTransform(config, magnitude.shape[0], magnitude.shape[1], magnitude.device)
    spectrum = torch.polar(magnitude, phase)
    consistent, previous = torch.empty_like(spectrum), torch.zeros_like(spectrum)
    scratch, target = torch.empty_like(magnitude), torch.empty_like(magnitude)
    for iteration in range(num_iterations):
        transform.make_consistent(spectrum, out=consistent)
        if iteration % 2 == 0:
            present = _squared_magnitude(consistent, out=scratch).sqrt_()
            fit.update(present.lerp_(magnitude, _SMOOTHNESS), out=target)
        torch.sub(consistent, previous, alpha=_MOMENTUM / (1 + _MOMENTUM), out=spectrum)
        _set_magnitude(spectrum, target, scratch=scratch)
        consistent, previous = previous, consistent
    return transform.waveform(spectrum)


def _set_magnitude(spectrum: Tensor, magnitude: Tensor, *, scratch: Tensor) -> None:
    """Replace the magnitudes of ``spectrum`` in place; the phases do not change."""
    gain = _squared_magnitude(spectrum, out=scratch).add_(_TINY).rsqrt_().mul_(magnitude)
    spectrum.real.mul_(gain)
    spectrum.imag.mul_(gain)


def _squared_magnitude(spectrum: Tensor, *, out: Tensor) -> Tensor:
    return torch.mul(spectrum.real, spectrum.real, out=out).addcmul_(spectrum.imag, spectrum.imag)
