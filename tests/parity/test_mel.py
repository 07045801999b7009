"""Mels that Diff-Foley's front-end made of five waveforms (``fixtures/mel.npz``, librosa 0.11)."""

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.filters import mel_filters
from cinefoley.spectral.mel import mel_spectrogram

FIXTURE = Path(__file__).parent / "fixtures" / "mel.npz"
NUM_SAMPLES = 131072
TOLERANCE = (
    1e-4  # on the [0, 1] scale: a hundredth of a decibel, what two FFT libraries differ by near silence
)


@pytest.fixture(scope="module")
def reference() -> Mapping[str, Tensor]:
    with np.load(FIXTURE) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.mark.parametrize("name", ["chirp", "tone1k", "silence", "clicks"])
def test_mel_of_a_made_waveform_is_the_reference(name: str, reference: Mapping[str, Tensor]) -> None:
    mel = mel_spectrogram(torch.from_numpy(_waveform(name))[None])
    torch.testing.assert_close(mel[0], reference[f"mel_{name}"], rtol=0, atol=TOLERANCE)


def test_mel_of_noise_is_the_reference(
    reference: Mapping[str, Tensor], reference_input: Callable[..., Tensor]
) -> None:
    mel = mel_spectrogram(0.1 * reference_input("wave_noise", (NUM_SAMPLES,))[None])
    torch.testing.assert_close(mel[0], reference["mel_noise"], rtol=0, atol=TOLERANCE)


def test_filters_sum_to_those_of_the_reference(reference: Mapping[str, Tensor]) -> None:
    sums = mel_filters(MelConfig()).sum(1)
    torch.testing.assert_close(sums, reference["mel_basis_rowsum"], rtol=1e-5, atol=0)


def _waveform(name: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    seconds = np.arange(NUM_SAMPLES) / 16000
    if name == "chirp":
        rate = (7000 - 100) / 8.192
        samples = 0.5 * np.sin(2 * np.pi * (100 * seconds + rate * seconds**2 / 2))
    elif name == "tone1k":
        samples = 0.5 * np.sin(2 * np.pi * 1000 * seconds)
    elif name == "clicks":
        samples = _clicks()
    else:
        samples = np.zeros(NUM_SAMPLES)
    return samples.astype(np.float32)


def _clicks() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(b"shared:input/clicks")))
    samples, after = np.zeros(NUM_SAMPLES), np.arange(3000)
    for start in np.sort(generator.integers(2000, 127072, 12)):
        pitch = 300 + 200 * (start % 7)
        samples[start : start + 3000] += (
            0.8 * np.exp(-after / 400) * np.sin(2 * np.pi * pitch * after / 16000)
        )
    return samples
