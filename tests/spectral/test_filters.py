"""The filter bank against librosa's, which is written independently."""

import librosa
import pytest
import torch

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.filters import mel_filters


@pytest.mark.parametrize(
    "config",
    [
        MelConfig(),
        MelConfig(sample_rate=22050),
        MelConfig(sample_rate=44100, n_fft=2048, n_mels=80, f_min=0, f_max=16000),
        MelConfig(sample_rate=8000, n_fft=512, n_mels=20, f_min=300, f_max=900),
    ],
)
def test_filters_are_librosas(config: MelConfig) -> None:
    wanted = librosa.filters.mel(
        sr=config.sample_rate, n_fft=config.n_fft, n_mels=config.n_mels, fmin=config.f_min, fmax=config.f_max
    )
    torch.testing.assert_close(mel_filters(config), torch.from_numpy(wanted), rtol=1e-5, atol=1e-8)


def test_a_bin_lies_under_at_most_two_bands() -> None:
    assert int((mel_filters(MelConfig()) > 0).sum(0).max()) == 2


def test_a_caller_may_write_to_its_filters() -> None:
    mel_filters(MelConfig()).zero_()
    assert mel_filters(MelConfig()).sum() > 0


def test_bands_too_narrow_for_the_transform_are_refused() -> None:
    with pytest.raises(ValueError, match="mel band 0 of 128 contains no bin of a 256-sample spectrum"):
        mel_filters(MelConfig(n_fft=256))
