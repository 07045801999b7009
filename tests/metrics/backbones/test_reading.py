"""How files become what backbones hear."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.errors import MediaError
from cinefoley.metrics.backbones.reading import AUDIOLDM_EVAL, AV_BENCHMARK, prepare, read_clip
from cinefoley.metrics.backbones.resampling import resample

rates = st.sampled_from([8000, 11025, 16000, 22050, 32000, 44100, 48000])


def tone(rate: int, seconds: float, hz: float = 440.0) -> torch.Tensor:
    return torch.sin(2 * torch.pi * hz * torch.arange(round(rate * seconds)) / rate)


@given(source=rates, target=rates, length=st.integers(1, 3000))
def test_resampling_gives_the_length_that_rates_ask_for(source: int, target: int, length: int) -> None:
    found = resample(torch.ones(length), source, target)
    assert len(found) == -(-length * target // source)
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("source", [8000, 22050, 44100, 44101, 48000])
def test_a_tone_survives_resampling(source: int) -> None:
    found = resample(tone(source, 1.0), source, 16000)
    torch.testing.assert_close(found[400:-400], tone(16000, 1.0)[400:-400], rtol=0, atol=5e-3)


@pytest.mark.parametrize(("source", "target"), [(44100, 16000), (48000, 32000), (1801, 1600)])
def test_filters_of_every_phase_or_of_taps_that_weigh_give_the_same(
    monkeypatch: pytest.MonkeyPatch, source: int, target: int
) -> None:
    noise = torch.randn(3000, generator=torch.Generator().manual_seed(0))
    found: list[torch.Tensor] = []
    for most in (10**9, 0):
        monkeypatch.setattr("cinefoley.metrics.backbones.resampling._MOST_TAPS", most)
        found.append(resample(noise, source, target))
    assert torch.allclose(found[0], found[1], atol=1e-5)


def test_what_lies_above_the_new_rate_is_removed() -> None:
    assert float(resample(tone(48000, 1.0, hz=12000), 48000, 16000)[400:-400].abs().max()) < 5e-3


def test_rates_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="sample rates must be positive, got 0 and 16000"):
        resample(torch.ones(9), 0, 16000)


def test_the_first_channel_is_centred_and_padded() -> None:
    stereo = torch.stack([tone(16000, 1.0) + 0.5, torch.zeros(16000)])
    heard = prepare(stereo, 16000, reading=AUDIOLDM_EVAL)
    assert len(heard) == 32000
    assert float(heard[:16000].mean()) == pytest.approx(0, abs=1e-6)
    assert float(heard[:16000].abs().max()) == pytest.approx(1, abs=1e-2)
    assert not bool(heard[16000:].any())


def test_av_benchmark_averages_channels_and_crops() -> None:
    stereo = torch.stack([torch.ones(16000 * 9), torch.zeros(16000 * 9)])
    heard = prepare(stereo, 16000, reading=AV_BENCHMARK)
    assert heard.shape == (16000 * 8,)
    assert bool((heard == 0.5).all())
    assert len(prepare(stereo[:, :8000], 16000, reading=AV_BENCHMARK)) == 8000


def test_a_reading_tells_what_it_does() -> None:
    assert AUDIOLDM_EVAL.describe() == "first channel, mean removed, own length, padded to 2 s"
    assert AV_BENCHMARK.describe() == "mean of channels, first 8 s"


def test_a_file_of_any_rate_and_depth_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone(44100, 3.0).numpy()] * 2, axis=1), 44100, subtype="PCM_24")
    heard = read_clip(path)
    assert len(heard) == 48000
    torch.testing.assert_close(heard[400:-400], tone(16000, 3.0)[400:-400], rtol=0, atol=5e-3)


def test_a_text_file_and_a_file_without_samples_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound at all, and more words than a header has\n" * 9)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    for name in ("text.wav", "empty.wav", "missing.wav"):
        with pytest.raises(MediaError, match=name):
            read_clip(tmp_path / name)
