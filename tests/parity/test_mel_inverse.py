"""Magnitudes and pitches of Diff-Foley's inverse (``fixtures/mel_inverse.npz``, of the mels of ``mel.npz``).

``mel_to_stft_*_{22050,16000}`` are librosa's magnitudes, with the reference's filters and with the right
ones, in half precision; ``tone*`` are the pitches, in Hz, at which tones came out with either.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cinefoley.spectral.inverse import invert_mel
from cinefoley.spectral.magnitude import Compat, mel_to_magnitude
from cinefoley.spectral.mel import mel_spectrogram

FIXTURES = Path(__file__).parent / "fixtures"
MAGNITUDE_TOLERANCE = 1e-3  # of the maximum; stored in half precision, by a solver that stops early
PITCHES = (250, 500, 1000, 2000, 4000)
SIDES: tuple[tuple[int, Compat | None], ...] = ((0, "diff-foley"), (1, None))


@pytest.fixture(scope="module")
def reference() -> Mapping[str, Tensor]:
    arrays: dict[str, Tensor] = {}
    for name in ("mel.npz", "mel_inverse.npz"):
        with np.load(FIXTURES / name) as file:
            arrays |= {key: torch.from_numpy(file[key]).float() for key in file.files}
    return arrays


@pytest.mark.parametrize("sound", ["clicks", "tone1k"])
@pytest.mark.parametrize(("sample_rate", "compat"), [(22050, "diff-foley"), (16000, None)])
def test_magnitude_is_that_of_librosas_solver(
    sound: str, sample_rate: int, compat: Compat | None, reference: Mapping[str, Tensor]
) -> None:
    magnitude = mel_to_magnitude(reference[f"mel_{sound}"][None], compat=compat)[0]
    wanted = reference[f"mel_to_stft_{sound}_{sample_rate}"]
    torch.testing.assert_close(magnitude, wanted, rtol=0, atol=MAGNITUDE_TOLERANCE * float(wanted.max()))


@pytest.mark.parametrize("hertz", PITCHES)
@pytest.mark.parametrize(("column", "compat"), SIDES)
def test_tones_sound_as_high_as_the_reference_measured(
    hertz: int, column: int, compat: Compat | None, reference: Mapping[str, Tensor]
) -> None:
    tone = 0.5 * torch.sin(2 * torch.pi * hertz * torch.arange(32768, dtype=torch.float64) / 16000)
    waveform = invert_mel(mel_spectrogram(tone[None]), compat=compat)
    measured = _pitch(waveform[0])
    right = hertz * (16000 / 22050 if compat else 1)
    assert measured == pytest.approx(float(reference[f"tone{hertz}"][column]), rel=0.02)
    assert measured == pytest.approx(right, rel=0.02)


def _pitch(waveform: Tensor) -> float:
    """Frequency of the strongest spectral line in Hz."""
    power = torch.fft.rfft(waveform * torch.hann_window(len(waveform))).abs()
    return float(power.argmax()) * 16000 / len(waveform)
