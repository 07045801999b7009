"""Waveform to mel spectrogram."""

import torch
from torch import Tensor

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.filters import mel_filters
from cinefoley.spectral.levels import amplitude_to_unit

__all__ = ["mel_spectrogram"]


def mel_spectrogram(waveform: Tensor, config: MelConfig | None = None) -> Tensor:
    """Mel spectrogram of a batch of waveforms, on the [0, 1] scale of the models.

    Source: Diff-Foley, ``data_preprocess/wav2spec.py``: centred Hann frames, magnitudes (not powers),
    Slaney's mel bands, decibels. The last sample is removed first, so that N samples give
    ``1 + (N - 1) // hop_length`` frames: 131072 give exactly 512.
    Reading: both ends are padded with silence, as in librosa 0.11, which Diff-Foley can be installed with.
    librosa 0.8, which it pins, pads by reflection; the first and last two frames then differ.

    Args:
        waveform: ``(B, N)`` at ``config.sample_rate``, in [-1, 1], N at least 2; converted to float32.
        config: Settings of the mel; ``MelConfig()``, Diff-Foley's, if not given.

    Returns:
        Mel ``(B, n_mels, frames)``, float32 in [0, 1], on the waveform's device. Differentiable.

    Raises:
        ValueError: If the waveform is not two-dimensional, not real floating point, shorter than 2 samples,
            or not finite.

    Examples:
        >>> mel_spectrogram(torch.zeros(1, 131072)).shape
        torch.Size([1, 128, 512])
    """
    config = config or MelConfig()
    _check_waveform(waveform)
    samples = waveform[:, :-1].float()
    spectrum = torch.stft(
        samples,
        config.n_fft,
        config.hop_length,
        window=torch.hann_window(config.n_fft, device=samples.device),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    return amplitude_to_unit(mel_filters(config, device=samples.device) @ spectrum.abs(), config)


def _check_waveform(waveform: Tensor) -> None:
    if waveform.ndim != 2:
        raise ValueError(f"a batch of waveforms has shape (B, N), got {tuple(waveform.shape)}")
    if not waveform.is_floating_point():
        raise ValueError(f"a waveform must have floating-point samples in [-1, 1], got {waveform.dtype}")
    if waveform.shape[1] < 2:
        raise ValueError(f"a waveform needs at least 2 samples, got {waveform.shape[1]}")
    if not torch.isfinite(waveform).all():
        raise ValueError("the waveform contains NaN or infinite samples")
