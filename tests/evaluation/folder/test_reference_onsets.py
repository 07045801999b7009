from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import ratio_scores
from cinefoley.evaluation.folder.reference_onsets import REFERENCE_F1, SHUFFLED_F1, ReferenceOnsetMetric
from cinefoley.evaluation.scores import Score

RATE = 16000


@pytest.fixture
def clicks(tmp_path: Path) -> Callable[..., Path]:
    """``clicks("a.wav", [1.0, 2.5])`` writes four seconds with bursts at these times."""

    def write(name: str, times: list[float], *, seconds: float = 4.0) -> Path:
        rng = np.random.Generator(np.random.PCG64(0))
        sound = 1e-4 * rng.standard_normal(round(seconds * RATE))
        for time in times:
            start = round(time * RATE)
            sound[start : start + 1600] += 0.3 * rng.standard_normal(1600) * np.exp(-np.arange(1600) / 300)
        soundfile.write(tmp_path / name, sound, RATE)
        return tmp_path / name

    return write


def score(real: dict[str, Path], samples: list[Sample], *, replicas: int = 0) -> dict[str, Score]:
    ratios = ReferenceOnsetMetric(real).measure(samples).ratios
    return ratio_scores(ratios, {sample.clip for sample in samples}, replicas=replicas)


def test_the_reference_s_own_onsets_score_one_and_other_clips_score_less(clicks: Callable[..., Path]) -> None:
    times = {f"clip{n}": [0.5 + 0.4 * n, 2.2 + 0.4 * n] for n in range(3)}
    real = {clip: clicks(f"{clip}.wav", onsets) for clip, onsets in times.items()}
    found = score(real, [Sample(clip, 0, path) for clip, path in real.items()])
    assert found[REFERENCE_F1].value == 1.0
    assert found[SHUFFLED_F1].value == 0.0
    late = {clip: clicks(f"{clip}.late.wav", [time + 0.2 for time in times[clip]]) for clip in times}
    assert score(real, [Sample(clip, 0, path) for clip, path in late.items()])[REFERENCE_F1].value == 0.0


def test_the_same_onsets_everywhere_are_no_better_than_their_derangement(clicks: Callable[..., Path]) -> None:
    real = {f"clip{n}": clicks(f"clip{n}.wav", [1.0, 2.0, 3.0]) for n in range(6)}
    found = score(real, [Sample(clip, 0, path) for clip, path in real.items()], replicas=50)
    assert found[REFERENCE_F1].value == found[SHUFFLED_F1].value == 1.0
    assert found[REFERENCE_F1].low == 1.0  # six clips have an interval


def test_a_shorter_clip_is_compared_up_to_its_end_with_another(clicks: Callable[..., Path]) -> None:
    real = {"long": clicks("long.wav", [1.0, 3.0]), "short": clicks("short.wav", [1.0], seconds=2.0)}
    found = score(real, [Sample(clip, 0, path) for clip, path in real.items()])
    assert found[SHUFFLED_F1].value == 1.0


def test_silence_misses_every_onset(clicks: Callable[..., Path]) -> None:
    real = {"a": clicks("a.wav", [1.0, 2.0]), "b": clicks("b.wav", [1.5])}
    silent = clicks("silent.wav", [])
    found = score(real, [Sample("a", 0, silent), Sample("b", 0, silent)])
    assert (found[REFERENCE_F1].value, found[SHUFFLED_F1].value) == (0.0, 0.0)


def test_an_unreadable_sound_is_a_problem_and_no_score(clicks: Callable[..., Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    real = {"a": clicks("a.wav", [1.0]), "b": broken, "c": clicks("c.wav", [2.0])}
    measurement = ReferenceOnsetMetric(real).measure([Sample(clip, 0, path) for clip, path in real.items()])
    assert [sample.clip for sample in measurement.problems] == ["b"]
    assert set(measurement.ratios[REFERENCE_F1].parts) == {
        Sample("a", 0, real["a"]),
        Sample("c", 0, real["c"]),
    }
    assert "the next 2 by name" in str(measurement.protocol["reference_onsets"])
