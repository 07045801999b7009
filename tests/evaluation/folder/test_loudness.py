from pathlib import Path

import numpy as np
import pytest
import soundfile

from cinefoley.evaluation.folder.loudness import LEVEL, LEVEL_ERROR, RANGE, REFERENCE_RANGE, LoudnessMetric
from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import ratio_scores

RATE = 16000


def noise(path: Path, gain: float, *, seconds: float = 8.0, quiet: float = 1.0, channels: int = 1) -> Path:
    """Noise of which the second half is ``quiet`` times as loud."""
    rng = np.random.default_rng(0)
    sound = gain * rng.uniform(-0.2, 0.2, (round(seconds * RATE), channels))
    sound[len(sound) // 2 :] *= quiet
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    return path


def test_level_is_measured_beside_the_reference_and_range_of_both(tmp_path: Path) -> None:
    real = {
        "a": noise(tmp_path / "a.wav", 1.0, quiet=0.25),
        "b": noise(tmp_path / "b.wav", 1.0, channels=6),
        "mute": noise(tmp_path / "mute.wav", 0.0),
    }
    samples = [
        Sample("a", 0, noise(tmp_path / "a.take1.wav", 2.0)),
        Sample("b", 0, noise(tmp_path / "b.take1.wav", 0.5, channels=6)),
        Sample("mute", 0, noise(tmp_path / "mute.take1.wav", 1.0)),
        Sample("b", 1, tmp_path / "missing.wav"),
    ]
    found = LoudnessMetric(real).measure(samples)
    assert set(found.problems) == {samples[3]}
    louder, quieter = (found.ratios[LEVEL].parts[sample][0] for sample in samples[:2])
    assert quieter == pytest.approx(-6.02, abs=0.05)
    assert 6.0 < louder < 9.5  # half of the reference is 12 dB quieter
    scores = {name: score.value for name, score in ratio_scores(found.ratios, set(real)).items()}
    assert scores[LEVEL] == pytest.approx((louder + quieter) / 2)
    assert scores[LEVEL_ERROR] == pytest.approx((louder - quieter) / 2)
    assert scores[RANGE] == pytest.approx(0.0, abs=0.5)
    assert scores[REFERENCE_RANGE] == pytest.approx(6.0, abs=1.5)  # 12 LU of one, none of the other


def test_nothing_to_compare_is_said(tmp_path: Path) -> None:
    short = noise(tmp_path / "a.wav", 1.0, seconds=0.3)
    ratios = LoudnessMetric({"a": short}).measure([Sample("a", 0, short)]).ratios
    assert (
        ratio_scores(ratios, {"a"})[LEVEL].skipped
        == "no sound and reference that are both loud and long enough"
    )
