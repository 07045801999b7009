"""Refine phases and magnitudes by Griffin-Lim iterations with momentum, guided by a mel."""

import torch
from torch import Tensor

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.magnitude import MelFit
from cinefoley.spectral.transform import FrameTransform

__all__ = ["refine_phase"]

_MOMENTUM = 0.99
_SMOOTHNESS = 0.2
"""Share of the first magnitude in every new target; without it noise grows holes and peaks of its own."""
_TINY = 1e-30


def refine_phase(
    magnitude: Tensor, phase: Tensor, *, fit: MelFit, config: MelConfig, num_iterations: int
) -> Tensor:
    """Waveform whose mel is near that of ``fit``, found from a first magnitude and phase.

    Source: Griffin-Lim with momentum; see :func:`~cinefoley.spectral.inverse.invert_mel` for what is ours.

    Args:
        magnitude: First magnitude, ``(B, frames, bins)``, at least 0.
        phase: First phase, same shape, in radians, relative to each frame's first sample.
        fit: What the mel asks for. The target magnitude follows it, and the waveform as it is by then, every
            second time only, since the fit costs as much as the transforms.
        config: The front-end.
        num_iterations: At least 0.

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
    """Replace the magnitudes of ``spectrum`` in place and keep its phases."""
    gain = _squared_magnitude(spectrum, out=scratch).add_(_TINY).rsqrt_().mul_(magnitude)
    spectrum.real.mul_(gain)
    spectrum.imag.mul_(gain)


def _squared_magnitude(spectrum: Tensor, *, out: Tensor) -> Tensor:
    return torch.mul(spectrum.real, spectrum.real, out=out).addcmul_(spectrum.imag, spectrum.imag)
