"""The transform against ``torch.stft``, for hops that divide the frame and hops that do not."""

import pytest
import torch

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.transform import FrameTransform

HOPS = pytest.mark.parametrize("hop_length", [256, 250, 300, 512, 100])
NUM_FRAMES = 12


@HOPS
def test_spectra_of_a_signal_are_consistent_already(hop_length: int) -> None:
    signal, spectrum = _signal_and_spectrum(hop_length)
    transform = _transform(hop_length)
    out = torch.empty_like(spectrum)
    transform.make_consistent(spectrum, out=out)
    torch.testing.assert_close(out, spectrum, rtol=0, atol=2e-4)
    torch.testing.assert_close(transform.waveform(spectrum), signal, rtol=0, atol=1e-4)


@HOPS
def test_making_consistent_is_a_projection(hop_length: int) -> None:
    generator = torch.Generator().manual_seed(1)
    spectrum = torch.randn(2, NUM_FRAMES, 513, dtype=torch.complex64, generator=generator)
    transform = _transform(hop_length)
    once, twice = torch.empty_like(spectrum), torch.empty_like(spectrum)
    transform.make_consistent(spectrum, out=once)
    transform.make_consistent(once, out=twice)
    torch.testing.assert_close(twice, once, rtol=0, atol=1e-4)
    assert (once - spectrum).abs().max() > 0.1


def _transform(hop_length: int) -> FrameTransform:
    return FrameTransform(MelConfig(hop_length=hop_length), 2, NUM_FRAMES, torch.device("cpu"))


def _signal_and_spectrum(hop_length: int) -> tuple[torch.Tensor, torch.Tensor]:
    signal = torch.randn(2, NUM_FRAMES * hop_length, generator=torch.Generator().manual_seed(0))
    signal[:, -64:] = 0  # little weight is there when hops are long
    spectrum = torch.stft(
        signal,
        1024,
        hop_length,
        window=torch.hann_window(1024),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    return signal, spectrum[..., :NUM_FRAMES].transpose(1, 2).contiguous()
