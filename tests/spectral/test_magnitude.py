from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.filters import mel_filters
from cinefoley.spectral.levels import unit_to_amplitude
from cinefoley.spectral.magnitude import MelFit, mel_to_magnitude
from cinefoley.spectral.mel import mel_spectrogram

CONFIG = MelConfig()


@pytest.mark.parametrize("name", ["clicks", "tones", "noise"])
def test_magnitudes_have_the_mel_that_was_asked_for(name: str, sounds: Mapping[str, Tensor]) -> None:
    mel = mel_spectrogram(sounds[name])
    magnitude = mel_to_magnitude(mel)
    amplitude = unit_to_amplitude(mel, CONFIG)
    assert magnitude.shape == (1, 513, 128)
    assert magnitude.min() >= 0
    assert _error(mel_filters(CONFIG) @ magnitude, amplitude) < 0.05


@pytest.mark.parametrize("name", ["clicks", "tones", "noise"])
def test_the_smooth_fit_is_nearer_to_the_sound_than_the_least_norm(
    name: str, sounds: Mapping[str, Tensor]
) -> None:
    mel = mel_spectrogram(sounds[name])
    fit = MelFit(unit_to_amplitude(mel.transpose(1, 2), CONFIG), mel_filters(CONFIG))
    truth = torch.stft(
        sounds[name][:, :-1],
        1024,
        256,
        window=torch.hann_window(1024),
        pad_mode="constant",
        return_complex=True,
    ).abs()
    smooth = fit.smooth_magnitude(8).transpose(1, 2)
    assert _error(smooth, truth) < _error(mel_to_magnitude(mel), truth)
    assert _error(mel_filters(CONFIG) @ smooth, unit_to_amplitude(mel, CONFIG)) < 0.02


def test_updates_leave_a_perfect_fit_and_uncovered_bins_alone() -> None:
    magnitude = 1 + torch.rand(1, 5, 513, generator=torch.Generator().manual_seed(0))
    fit = MelFit(magnitude @ mel_filters(CONFIG).T, mel_filters(CONFIG))
    updated = fit.update(magnitude, out=torch.empty_like(magnitude))
    torch.testing.assert_close(updated, magnitude, rtol=2e-3, atol=0)
    assert torch.equal(updated[..., ~fit.is_covered], magnitude[..., ~fit.is_covered])


def test_the_slip_spreads_the_same_bands_over_fewer_bins() -> None:
    mel = torch.full((1, 128, 2), 0.5)
    right, slipped = mel_to_magnitude(mel), mel_to_magnitude(mel, compat="diff-foley")
    assert right[0, 480].min() > 0
    assert slipped[0, 354:].max() == 0


@pytest.mark.parametrize(
    ("mel", "message"),
    [
        (torch.zeros(128, 4), r"shape \(B, 128, frames\), got \(128, 4\)"),
        (torch.zeros(1, 80, 4), r"shape \(B, 128, frames\), got \(1, 80, 4\)"),
        (torch.zeros(1, 128, 0), r"shape \(B, 128, frames\), got \(1, 128, 0\)"),
        (torch.zeros(1, 128, 4, dtype=torch.uint8), "floating-point values in .*, got torch.uint8"),
        (torch.full((1, 128, 4), torch.nan), "NaN or infinite"),
    ],
)
def test_what_is_no_batch_of_mels_is_refused(mel: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mel_to_magnitude(mel)


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="compat must be None or 'diff-foley', got 'audioldm'"):
        mel_to_magnitude(torch.zeros(1, 128, 4), compat="audioldm")  # type: ignore[arg-type]


def _error(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())
