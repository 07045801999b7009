from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.inverse import invert_mel
from cinefoley.spectral.mel import mel_spectrogram

SMALL = MelConfig(n_fft=256, hop_length=64, n_mels=16)


@pytest.mark.parametrize(("name", "bound"), [("clicks", 0.012), ("tones", 0.02), ("noise", 0.01)])
def test_a_sound_comes_back_with_its_mel(name: str, bound: float, sounds: Mapping[str, Tensor]) -> None:
    mel = mel_spectrogram(sounds[name])
    again = mel_spectrogram(invert_mel(mel))
    assert float((again - mel).abs().mean()) < bound


def test_nothing_is_heard_5_ms_before_a_click(sounds: Mapping[str, Tensor]) -> None:
    waveform = invert_mel(mel_spectrogram(sounds["clicks"]))[0]
    for start in (5000, 13111, 21222):
        before = waveform[start - 480 : start - 80].square().sum()
        after = waveform[start : start + 480].square().sum()
        assert float(10 * torch.log10(before / after)) < -15


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 30), st.none() | st.integers(1, 3000), st.sampled_from([50, 64, 100, 128]))
def test_the_length_is_exact(num_frames: int, length: int | None, hop_length: int) -> None:
    config = MelConfig(n_fft=256, hop_length=hop_length, n_mels=16)
    mel = torch.rand(2, 16, num_frames, generator=torch.Generator().manual_seed(0))
    waveform = invert_mel(mel, length=length, config=config, num_iterations=1)
    assert waveform.shape == (2, num_frames * hop_length if length is None else length)
    assert torch.isfinite(waveform).all()


def test_a_length_cuts_or_adds_silence_and_nothing_else() -> None:
    mel = _random_mel(1)
    whole = invert_mel(mel, config=SMALL)
    num_samples = whole.shape[1]
    assert torch.equal(invert_mel(mel, config=SMALL, length=1000), whole[:, :1000])
    longer = invert_mel(mel, config=SMALL, length=num_samples + 50)
    assert torch.equal(longer[:, :num_samples], whole)
    assert longer[:, num_samples:].abs().max() == 0


def test_a_batch_gives_what_its_items_give() -> None:
    mels = _random_mel(3)
    items = torch.cat([invert_mel(item[None], config=SMALL) for item in mels])
    torch.testing.assert_close(invert_mel(mels, config=SMALL), items, rtol=0, atol=1e-5)


def test_the_same_mel_sounds_the_same_and_another_seed_otherwise() -> None:
    mel = _random_mel(1)
    assert torch.equal(invert_mel(mel, config=SMALL), invert_mel(mel, config=SMALL))
    first, same, other = (
        invert_mel(mel, config=SMALL, generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first, same)
    assert (first - other).abs().max() > 0.01 * first.abs().max()


def test_a_generator_moves_on_by_one_draw_whatever_the_batch() -> None:
    one, three = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    invert_mel(_random_mel(1), config=SMALL, generator=one)
    invert_mel(_random_mel(3), config=SMALL, generator=three)
    assert torch.equal(one.get_state(), three.get_state())
    assert not torch.equal(one.get_state(), torch.Generator().manual_seed(1).get_state())


def test_silence_stays_near_silence() -> None:
    waveform = invert_mel(torch.zeros(1, 128, 64))
    assert torch.isfinite(waveform).all()
    assert 20 * torch.log10(waveform.square().mean().sqrt()) < -75


def test_values_beyond_the_scale_are_clipped() -> None:
    mel = 3 * _random_mel(1) - 1
    before = mel.clone()
    assert torch.equal(invert_mel(mel, config=SMALL), invert_mel(mel.clamp(0, 1), config=SMALL))
    assert torch.equal(mel, before)


def test_double_precision_is_taken_and_single_given_without_gradient() -> None:
    mel = _random_mel(1).double().requires_grad_()
    waveform = invert_mel(mel, config=SMALL)
    assert waveform.dtype == torch.float32
    assert not waveform.requires_grad


def test_an_empty_batch_gives_an_empty_batch() -> None:
    assert invert_mel(torch.zeros(0, 16, 5), config=SMALL).shape == (0, 320)


def test_more_iterations_come_nearer(sounds: Mapping[str, Tensor]) -> None:
    mel = mel_spectrogram(sounds["noise"])
    errors = [
        float((mel_spectrogram(invert_mel(mel, num_iterations=n)) - mel).square().mean())
        for n in (0, 2, 12, 40)
    ]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_what_the_processor_gives(sounds: Mapping[str, Tensor]) -> None:
    mel = mel_spectrogram(torch.cat(list(sounds.values())))
    here, there = invert_mel(mel), invert_mel(mel.cuda()).cpu()
    assert float((here - there).norm() / here.norm()) < 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length must be at least 1 sample, got 0"),
        ({"num_iterations": -1}, "num_iterations must be at least 0, got -1"),
        ({"config": MelConfig(hop_length=600)}, "hop_length 600 and n_fft 1024 cannot be inverted"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        invert_mel(torch.zeros(1, 128, 4), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_mel_that_is_not_finite_is_refused(value: float) -> None:
    mel = _random_mel(1)
    mel[0, 3, 2] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        invert_mel(mel, config=SMALL)


def _random_mel(batch: int) -> Tensor:
    return mel_spectrogram(0.1 * torch.randn(batch, 1920, generator=torch.Generator().manual_seed(2)), SMALL)
