from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from cinefoley.evaluation.folder.envelope import ENVELOPE, EnvelopeMetric, paired_envelope_distance
from cinefoley.evaluation.folder.pairing import Sample


def sound(path: Path, gain: float, *, seconds: float = 1.0, rate: int = 16000) -> Path:
    rows = np.full((round(seconds * rate), 2), gain)
    soundfile.write(path, rows, rate, subtype="FLOAT")
    return path


def test_samples_are_compared_on_the_references_length(tmp_path: Path) -> None:
    real = {"a": sound(tmp_path / "a.wav", 0.5), "b": sound(tmp_path / "b.wav", 0.25, rate=48000)}
    samples = [
        Sample("a", 0, sound(tmp_path / "a.take1.wav", 0.25, seconds=2.0)),  # longer: cut
        Sample("b", 0, sound(tmp_path / "b.take1.wav", 0.25, seconds=0.5)),  # shorter: silent after its end
        Sample("b", 1, tmp_path / "missing.wav"),
    ]
    found = EnvelopeMetric(real).measure(samples)
    assert set(found.problems) == {samples[2]}
    parts = found.ratios[ENVELOPE].parts
    assert parts[samples[0]] == pytest.approx((0.25, 1.0))
    assert parts[samples[1]][0] == pytest.approx(0.125, abs=0.003)


def test_sounds_without_length_have_a_distance() -> None:
    assert paired_envelope_distance(torch.zeros(0), torch.ones(100)) > 0
    assert paired_envelope_distance(torch.zeros(0), torch.zeros(0)) == 0
