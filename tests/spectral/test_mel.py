import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.mel import mel_spectrogram

SMALL = MelConfig(n_fft=256, hop_length=64, n_mels=16)


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.integers(2, 2000), st.sampled_from([50, 64, 100]))
def test_any_length_gives_one_frame_per_hop_begun(num_samples: int, hop_length: int) -> None:
    config = MelConfig(n_fft=256, hop_length=hop_length, n_mels=16)
    assert mel_spectrogram(_noise(1, num_samples), config).shape == (1, 16, -(-num_samples // hop_length))


def test_a_window_of_diff_foley_gives_512_frames_and_ten_seconds_625() -> None:
    assert mel_spectrogram(torch.zeros(1, 131072)).shape == (1, 128, 512)
    assert mel_spectrogram(torch.zeros(1, 160000)).shape == (1, 128, 625)


def test_four_seconds_of_the_first_stage_give_256_frames() -> None:
    assert mel_spectrogram(torch.zeros(1, 64000), MelConfig(hop_length=250)).shape == (1, 128, 256)


@settings(deadline=None)
@given(st.integers(1, 8))
def test_a_shift_by_hops_shifts_the_frames(hops: int) -> None:
    waveform = torch.zeros(1, 4096)
    waveform[:, 1500:2000] = _noise(1, 500)
    mel = mel_spectrogram(waveform, SMALL)
    shifted = mel_spectrogram(waveform.roll(hops * SMALL.hop_length, dims=1), SMALL)
    torch.testing.assert_close(shifted, mel.roll(hops, dims=2), rtol=0, atol=1e-5)


def test_a_batch_gives_what_its_items_give() -> None:
    waveforms = _noise(3, 3000)
    items = torch.cat([mel_spectrogram(item[None], SMALL) for item in waveforms])
    torch.testing.assert_close(mel_spectrogram(waveforms, SMALL), items, rtol=0, atol=1e-6)


def test_twice_as_loud_is_six_decibels_higher() -> None:
    waveform = _noise(1, 3000)
    rise = mel_spectrogram(2 * waveform, SMALL) - mel_spectrogram(waveform, SMALL)
    torch.testing.assert_close(rise, torch.full_like(rise, 0.0602), rtol=0, atol=1e-4)


def test_values_lie_between_0_and_1_however_loud() -> None:
    assert mel_spectrogram(torch.zeros(1, 3000), SMALL).max() == 0
    assert mel_spectrogram(1e4 * _noise(1, 3000), SMALL).max() == 1


def test_double_precision_is_taken_and_single_given() -> None:
    waveform = _noise(1, 3000)
    before = waveform.clone()
    assert mel_spectrogram(waveform.double(), SMALL).dtype == torch.float32
    torch.testing.assert_close(mel_spectrogram(waveform.double(), SMALL), mel_spectrogram(waveform, SMALL))
    assert torch.equal(waveform, before)


def test_gradients_flow_to_the_waveform() -> None:
    waveform = _noise(1, 3000).requires_grad_()
    mel_spectrogram(waveform, SMALL).sum().backward()
    assert waveform.grad is not None
    assert torch.isfinite(waveform.grad).all()
    assert waveform.grad.abs().sum() > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_what_the_processor_gives() -> None:
    waveform = _noise(2, 20000)
    torch.testing.assert_close(
        mel_spectrogram(waveform.cuda()).cpu(), mel_spectrogram(waveform), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (torch.zeros(100), r"shape \(B, N\), got \(100,\)"),
        (torch.zeros(1, 2, 100), r"shape \(B, N\), got \(1, 2, 100\)"),
        (torch.zeros(1, 100, dtype=torch.int16), "floating-point samples in .*, got torch.int16"),
        (torch.zeros(1, 1), "at least 2 samples, got 1"),
        (torch.full((1, 100), torch.nan), "NaN or infinite"),
        (torch.full((1, 100), torch.inf), "NaN or infinite"),
    ],
)
def test_what_is_no_batch_of_waveforms_is_refused(waveform: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mel_spectrogram(waveform)
