"""Initial phases for given magnitudes, estimated in one pass."""

import math

import torch
from torch import Tensor

from cinefoley.config.mel import MelConfig

__all__ = ["starting_phase"]

_RISING = 0.08
_FALLING = 0.3
"""Angles (of ``_event_angle``, radians) beyond which a bin belongs to an onset or to an abrupt end.

The threshold for onsets is lower, since a phase that continues into an onset is audible before it.
"""


def starting_phase(magnitude: Tensor, *, first: Tensor, config: MelConfig) -> Tensor:
    """Estimate phases from magnitudes alone, with sharp onsets and continuous tones.

    Source: except at onsets, the phase of the nearest spectral peak advances with the peak's frequency, as in
    Beauregard, Harish and Wyse, *Single pass spectrogram inversion*, 2015. It starts at the bin's latest
    onset, or from ``first`` before the first onset. The derivation of phases from changes of magnitudes is
    from Průša, Balazs and Søndergaard, *A noniterative method for reconstruction of phase from STFT
    magnitude*, 2017.
    Reading: at onsets the delay follows from the Hann window (``_event_angle``). Both parts are cumulative
    sums over whole axes instead of steps from point to point.

    Args:
        magnitude: ``(B, frames, bins)``, at least 0.
        first: Phase of each bin before its first onset, ``(bins,)``, in radians.
        config: Settings of the mel.

    Returns:
        Phases ``(B, frames, bins)`` in radians in [0, 2 pi), relative to each frame's first sample.
    """
    angle = _event_angle(magnitude, config)
    is_sudden = (angle > _RISING) | (angle < -_FALLING)
    onset_phase = _onset_phase(angle)
    position, peak = _governing_peak(magnitude)
    advance = torch.cumsum(position * (2 * math.pi * config.hop_length / config.n_fft), dim=1)
    phase = _run_on(onset_phase, advance, is_sudden, first)
    bins = torch.arange(magnitude.shape[-1], device=magnitude.device)
    phase = torch.gather(phase, -1, peak) + math.pi * (bins - peak)
    return torch.where(is_sudden, onset_phase, phase).remainder_(2 * math.pi)


def _event_angle(magnitude: Tensor, config: MelConfig) -> Tensor:
    """Position of the event in its frame: ``pi / n_fft`` times the samples from the frame's middle.

    An impulse at angle ``a`` has the weight ``cos(a)^2`` in a Hann frame and ``cos(a -+ step)^2`` in the next
    and the previous one. So either ratio, or the ratio of the two, gives ``tan(a)``. The ratio of the two
    neighbours is correct for steady sounds too, but only if the impulse is in both of them.
    """
    step = math.pi * config.hop_length / config.n_fft
    root = (magnitude + 0.1 * 10 ** (config.floor_db / 20)).sqrt_()
    before = torch.cat([root[:, :1], root[:, :-1]], dim=1)
    after = torch.cat([root[:, 1:], root[:, -1:]], dim=1)
    from_both = (after - before) / (after + before) / math.tan(step)
    from_after = (after / root - math.cos(step)) / math.sin(step)
    from_before = (math.cos(step) - before / root) / math.sin(step)
    left_before, left_after = from_after > 1 / math.tan(step), from_before < -1 / math.tan(step)
    tangent = torch.where(left_before, from_after, torch.where(left_after, from_before, from_both))
    return tangent.atan_()


def _onset_phase(angle: Tensor) -> Tensor:
    """Integral over frequency of the delay from the frame's first sample."""
    return torch.cumsum(angle.mul(-2).sub_(math.pi), dim=-1)


def _governing_peak(magnitude: Tensor) -> tuple[Tensor, Tensor]:
    """Refined position (in bins) and index of the spectral peak nearest to each bin."""
    num_bins = magnitude.shape[-1]
    bins = torch.arange(num_bins, device=magnitude.device, dtype=torch.int32)
    left, middle, right = magnitude[..., :-2], magnitude[..., 1:-1], magnitude[..., 2:]
    is_peak = torch.zeros_like(magnitude, dtype=torch.bool)
    is_peak[..., 1:-1] = (middle >= left) & (middle > right)
    below = torch.where(is_peak, bins, -num_bins).cummax(dim=-1).values
    above = torch.where(is_peak, bins, 2 * num_bins).flip(-1).cummin(dim=-1).values.flip(-1)
    nearest = torch.where(bins - below <= above - bins, below, above)
    peak = torch.where((nearest >= 0) & (nearest < num_bins), nearest, bins).long()
    offset = torch.zeros_like(magnitude)
    curvature = (left - 2 * middle + right).clamp_(max=-torch.finfo(magnitude.dtype).tiny)
    torch.div(left - right, curvature, out=offset[..., 1:-1]).mul_(0.5).clamp_(-0.5, 0.5)
    return torch.gather(offset, -1, peak) + peak, peak


def _run_on(onset_phase: Tensor, advance: Tensor, is_sudden: Tensor, first: Tensor) -> Tensor:
    """Phases that advance from each bin's latest onset, or from ``first`` before the first onset."""
    frames = torch.arange(advance.shape[1], device=advance.device, dtype=torch.int32)[:, None]
    latest = torch.where(is_sudden, frames, -1).cummax(dim=1).values
    restarted = torch.gather(onset_phase - advance, 1, latest.clamp(min=0).long())
    return torch.where(latest >= 0, restarted, first).add_(advance)
