import numpy as np
import pyloudnorm
import pytest
import soxr

from cinefoley.media.audio.loudness import measure_loudness


@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_pyloudnorm_measures_the_same(rate: int, channels: int) -> None:
    rng = np.random.default_rng(0)
    envelope = np.interp(np.arange(8 * rate) / rate, [0, 1, 2, 5, 8], [0, 0.3, 0.01, 0.2, 0])
    sound = (envelope * rng.uniform(-1, 1, (channels, 8 * rate))).astype(np.float32)

    found = measure_loudness([sound[:, :1000], sound[:, 1000:]], rate, channels)

    expected = pyloudnorm.Meter(48000).integrated_loudness(soxr.resample(sound.T, rate, 48000).squeeze())
    assert found.integrated_lufs == pytest.approx(expected, abs=0.1)


def test_the_true_peak_lies_between_samples() -> None:
    rate = 48000
    sine = 0.5 * np.sin(2 * np.pi * rate / 4 * np.arange(rate) / rate + np.pi / 4)  # peaks between samples

    found = measure_loudness([sine[None].astype(np.float32)], rate)

    assert np.abs(sine).max() == pytest.approx(0.3536, abs=1e-3)
    assert found.true_peak_db == pytest.approx(-6.02, abs=0.2)


@pytest.mark.parametrize("length", [0, 1, 4000, 100_000])
def test_silence_and_short_sounds_have_no_loudness(length: int) -> None:
    quiet = measure_loudness([np.zeros((1, length), np.float32)], 16000)
    assert (quiet.integrated_lufs, quiet.true_peak_db) == (None, -120.0)
    short = measure_loudness([np.full((1, min(length, 4000)), 0.5, np.float32)], 16000)
    assert short.integrated_lufs is None
    assert not length or short.true_peak_db > -7
