import librosa
import numpy as np
import pytest
import torch

from cinefoley.metrics.functional.envelope import envelope_distance, rms_envelope


@pytest.mark.parametrize("count", [513, 16000, 20001])
def test_it_is_librosas_rms_padded_as_video_foley_pads(count: int) -> None:
    waveform = torch.randn(count, generator=torch.Generator().manual_seed(0))
    padded = np.pad(waveform.double().numpy(), 192, mode="reflect")
    expected = librosa.feature.rms(y=padded, frame_length=512, hop_length=128, center=False)[0]
    assert rms_envelope(waveform).numpy() == pytest.approx(expected, rel=1e-6)
    assert len(expected) == count // 128


def test_batches_are_clips_side_by_side_and_gain_is_a_factor() -> None:
    waveforms = torch.randn(2, 3, 4000, generator=torch.Generator().manual_seed(1))
    envelopes = rms_envelope(waveforms)
    assert envelopes.shape == (2, 3, 31)
    assert torch.allclose(envelopes[1, 2], rms_envelope(waveforms[1, 2]))
    assert torch.allclose(rms_envelope(-2 * waveforms), 2 * envelopes)


def test_the_distance_is_symmetric_and_sees_level_and_time() -> None:
    click = torch.zeros(1, 16000)
    click[0, 4000:5000] = 0.5
    real = rms_envelope(click)
    assert envelope_distance(real, real) == 0
    late, quiet = rms_envelope(click.roll(3000)), rms_envelope(click / 2)
    assert envelope_distance(real, late) == envelope_distance(late, real) > envelope_distance(real, quiet) > 0


def test_what_cannot_be_compared_is_named() -> None:
    with pytest.raises(ValueError, match="more than 192 samples, got 192"):
        rms_envelope(torch.zeros(192))
    with pytest.raises(ValueError, match="even and 0 or more, got 128, 512"):
        rms_envelope(torch.zeros(9000), frame_length=128, hop_length=512)
    with pytest.raises(ValueError, match="compares pairs, got 2 real and 3 generated"):
        envelope_distance(torch.zeros(2, 4), torch.zeros(3, 4))
    with pytest.raises(ValueError, match="real rows have width 4"):
        envelope_distance(torch.zeros(2, 4), torch.zeros(2, 5))
