"""Mel spectrogram to waveform."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.levels import unit_to_amplitude
from cinefoley.spectral.magnitude import Compat, MelFit, check_mel, inversion_filters
from cinefoley.spectral.phase_refinement import refine_phase
from cinefoley.spectral.starting_phase import starting_phase

__all__ = ["invert_mel"]

_SEED = 0


def invert_mel(
    mel: Tensor,
    *,
    length: int | None = None,
    config: MelConfig | None = None,
    generator: torch.Generator | None = None,
    compat: Compat | None = None,
    num_iterations: int = 10,
) -> Tensor:
    """Estimate waveforms whose mel spectrograms are close to the given ones.

    Source: Griffin and Lim, *Signal estimation from modified short-time Fourier transform*, 1984, with the
    momentum of Perraudin, Balazs and Søndergaard, *A fast Griffin-Lim algorithm*, 2013.
    Reading: two things differ from the sources. The initial phases are estimated (``starting_phase``) instead
    of random. And the target magnitude is not fixed: each iteration takes the magnitudes of the present
    waveform and corrects them only as far as the mel determines them, since a mel has 128 numbers for 513
    bins. With both, 10 iterations are better than 32 without them (``docs/spectral.md``).

    The reference inverts 16 kHz mels with filters made for 22.05 kHz, so that its output is lower in pitch by
    the factor 16000 / 22050 = 0.7256. ``compat="diff-foley"`` reproduces this, for comparisons only.

    Args:
        mel: ``(B, n_mels, frames)`` in [0, 1]; values outside are clipped. All zeros give near silence.
        length: Samples to return; ``frames * hop_length`` if not given. The waveform is cut or padded with
            silence to this length.
        config: Settings of the mel; ``MelConfig()`` if not given.
        generator: Source of the starting phases; a fixed seed if not given, so that a mel always gives the
            same waveform. Phases are drawn on the generator's device: a CPU generator gives the same phases
            for all devices. All items of a batch use the same draw, so no item depends on the others.
        compat: ``"diff-foley"`` reproduces the wrong filters of the reference.
        num_iterations: Number of iterations, at least 0; the time is proportional to it.

    Returns:
        Waveforms ``(B, length)``, float32, finite, on the mel's device; not clipped to [-1, 1]. No gradient.

    Raises:
        ValueError: If the mel's shape does not fit ``config``, or it is not floating point or not finite; if
            ``length`` or ``num_iterations`` is out of range; if frames overlap by less than half.

    Examples:
        >>> invert_mel(torch.zeros(1, 128, 512)).shape
        torch.Size([1, 131072])
    """
    config = config or MelConfig()
    check_mel(mel, config)
    _check_options(length, num_iterations, config)
    first_phase = _draw_phase(config.n_fft // 2 + 1, generator).to(mel.device)
    filters = inversion_filters(config, compat, mel.device)
    waveform = mel.new_zeros(mel.shape[0], mel.shape[2] * config.hop_length, dtype=torch.float32)
    with torch.no_grad():
        for rows in _batches(mel):
            fit = MelFit(unit_to_amplitude(mel[rows].float().transpose(1, 2), config), filters)
            start = fit.smooth_magnitude() if compat else _continue_upwards(fit)
            phase = starting_phase(start, first=first_phase, config=config)
            waveform[rows] = refine_phase(start, phase, fit=fit, config=config, num_iterations=num_iterations)
    return waveform if length is None else F.pad(waveform, (0, length - waveform.shape[1]))


def _continue_upwards(fit: MelFit) -> Tensor:
    """Smooth fit, with the highest covered bin repeated in the bins above the bands."""
    magnitude = fit.smooth_magnitude()
    highest = int(fit.is_covered.nonzero().max())
    magnitude[..., highest + 1 :] = magnitude[..., highest, None]
    return magnitude


def _draw_phase(num_bins: int, generator: torch.Generator | None) -> Tensor:
    generator = generator or torch.Generator().manual_seed(_SEED)
    return torch.rand(num_bins, generator=generator, device=generator.device) * (2 * math.pi)


def _batches(mel: Tensor) -> list[slice]:
    """All items at once on an accelerator; one by one on a CPU, so that each fits into its cache."""
    step = 1 if mel.device.type == "cpu" else max(1, mel.shape[0])
    return [slice(first, first + step) for first in range(0, mel.shape[0], step)]


def _check_options(length: int | None, num_iterations: int, config: MelConfig) -> None:
    if length is not None and length < 1:
        raise ValueError(f"length must be at least 1 sample, got {length}")
    if num_iterations < 0:
        raise ValueError(f"num_iterations must be at least 0, got {num_iterations}")
    if 2 * config.hop_length > config.n_fft:
        raise ValueError(
            f"a mel of hop_length {config.hop_length} and n_fft {config.n_fft} cannot be inverted: "
            "frames must overlap by half or more"
        )
