"""Files beside their films, judged one by one."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from cinefoley.errors import MissingWeightsError
from cinefoley.evaluation.folder.alignment import AlignmentMetric
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.pairing import Sample

Parts = Mapping[Sample, tuple[float, float]]


@pytest.fixture
def videos(tmp_path: Path, render_film: Callable[..., Path]) -> dict[str, Path]:
    (tmp_path / "films").mkdir()
    return {clip: render_film(tmp_path / "films" / f"{clip}.mp4", seed=n) for n, clip in enumerate("ab")}


@pytest.fixture
def samples(tmp_path: Path, write_sound: Callable[..., Path]) -> list[Sample]:
    """Three of a, one of b, and one of c, which has no film."""
    return [
        Sample(clip, number, write_sound(tmp_path / "sounds" / f"{clip}.take{number}.wav", 10 * n + number))
        for n, (clip, count) in enumerate({"a": 3, "b": 1, "c": 1}.items())
        for number in range(count)
    ]


def probabilities(judge: AlignmentMetric, samples: list[Sample]) -> list[list[float]]:
    return [judge._probabilities(sample).tolist() for sample in samples]


def test_every_sample_with_a_video_is_judged_twice(
    tiny_judge: Path, videos: dict[str, Path], samples: list[Sample]
) -> None:
    measurement = AlignmentMetric(tiny_judge, videos).measure(samples)
    assert list(measurement.ratios) == ["Align Acc", "Align Acc, posterior mean"]
    for ratio in measurement.ratios.values():
        assert list(ratio.parts) == samples[:4]
        assert {part[1] for part in ratio.parts.values()} == {1.0}
    assert measurement.protocol["alignment_mels"] == "0 generated, 4 taken of the sound"
    assert "first 2.5 s, seed 0" in str(measurement.protocol["alignment_judge"])


def test_what_is_said_of_a_sample_does_not_depend_on_the_others(
    tiny_judge: Path, videos: dict[str, Path], samples: list[Sample]
) -> None:
    together = probabilities(AlignmentMetric(tiny_judge, videos), samples[:4])
    backwards = probabilities(AlignmentMetric(tiny_judge, videos), samples[3::-1])
    assert backwards[::-1] == together
    assert len({draw for _, draw in together}) == 4
    other = probabilities(AlignmentMetric(tiny_judge, videos, seed=1), samples[:4])
    assert [mean for mean, _ in other] == [mean for mean, _ in together]
    assert [draw for _, draw in other] != [draw for _, draw in together]


def test_probabilities_are_kept_by_content(
    tiny_judge: Path, videos: dict[str, Path], samples: list[Sample], tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path / "cache")
    first = probabilities(AlignmentMetric(tiny_judge, videos, cache=cache), samples[:4])
    again = AlignmentMetric(tiny_judge, videos, cache=cache)
    again._scorer.probabilities = None  # type: ignore[assignment,method-assign]
    assert probabilities(again, samples[:4]) == first
    swapped = {"a": videos["b"], "b": videos["a"]}
    assert probabilities(AlignmentMetric(tiny_judge, swapped, cache=cache), samples[:4]) != first


def test_the_generated_mel_is_taken_where_it_was_saved(
    tiny_judge: Path, videos: dict[str, Path], samples: list[Sample]
) -> None:
    before = probabilities(AlignmentMetric(tiny_judge, videos), samples[:1])
    saved = samples[0].path.with_suffix(".mel.npy")
    np.save(saved, np.random.Generator(np.random.PCG64(0)).random((2, 64, 160), dtype=np.float32))
    judge = AlignmentMetric(tiny_judge, videos)
    assert probabilities(judge, samples[:1]) != before
    assert judge.measure(samples).protocol["alignment_mels"] == "1 generated, 3 taken of the sound"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no array", r"mel.npy: damaged"),
        (
            np.zeros((1, 7, 160), dtype=np.float32),
            r"expected finite \(windows, 64, frames\), got \(1, 7, 160\)",
        ),
        (np.full((1, 64, 160), np.nan, dtype=np.float32), "not a mel of this model"),
    ],
)
def test_a_saved_mel_that_is_none_is_a_problem(
    tiny_judge: Path,
    videos: dict[str, Path],
    samples: list[Sample],
    content: bytes | np.ndarray,
    message: str,
) -> None:
    saved = samples[0].path.with_suffix(".mel.npy")
    if isinstance(content, bytes):
        saved.write_bytes(content)
    else:
        np.save(saved, content)
    measurement = AlignmentMetric(tiny_judge, videos).measure(samples)
    assert list(measurement.problems) == samples[:1]
    assert re.search(message, measurement.problems[samples[0]])
    assert list(measurement.ratios["Align Acc"].parts) == samples[1:4]
    assert measurement.protocol["alignment_mels"] == "0 generated, 3 taken of the sound"


def test_a_video_that_is_none_is_a_problem_of_its_samples(
    tiny_judge: Path, videos: dict[str, Path], samples: list[Sample]
) -> None:
    videos["a"].write_text("no film")
    measurement = AlignmentMetric(tiny_judge, videos).measure(samples)
    assert list(measurement.problems) == samples[:3]
    assert "a.mp4: is not a media file" in measurement.problems[samples[0]]
    assert list(measurement.ratios["Align Acc"].parts) == samples[3:4]


def test_whose_features_judge_is_a_choice(
    tiny_judge: Path, videos: dict[str, Path], samples: list[Sample]
) -> None:
    with pytest.raises(MissingWeightsError, match="has no student video encoder"):
        AlignmentMetric(tiny_judge, videos, video_encoder="student")
    named = AlignmentMetric(tiny_judge, videos, video_encoder=str(tiny_judge / "video_encoder"))
    assert probabilities(named, samples[:2]) == probabilities(
        AlignmentMetric(tiny_judge, videos), samples[:2]
    )
    assert "encoder video_encoder (sha256:" in str(named.measure(samples).protocol["alignment_judge"])
