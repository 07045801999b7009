"""What workers cache of each sound is all that the numbers need."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cinefoley.evaluation.folder import envelope, loudness, reference_onsets
from cinefoley.evaluation.folder.embed_job import EmbedJob, embed_shared, reference_metrics
from cinefoley.evaluation.folder.pairing import Sample, find_sounds, pair_by_name
from cinefoley.evaluation.folder.per_clip_metrics import Measurement
from cinefoley.metrics.backbones.reading import AUDIOLDM_EVAL


def refuse(path: Path) -> None:
    raise AssertionError(f"{path} is read again")


def measure(job: EmbedJob, real: dict[str, Path], samples: list[Sample]) -> list[Measurement]:
    return [metric.measure(samples) for metric in reference_metrics(job, real)]


def test_loudness_envelopes_and_onsets_are_cached_by_whoever_embeds(
    folders: Callable[..., tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated, real = map(find_sounds, folders(3, samples=2, seconds=3.5))
    generated["clip01.take1"].write_bytes(b"no sound")
    pairs = pair_by_name(generated, real)
    samples = [sample for sample in pairs.samples if (sample.clip, sample.number) != ("clip01", 0)]
    jobs = [
        EmbedJob(
            weights=(),
            reading=AUDIOLDM_EVAL,
            cache=tmp_path / name,
            device="cpu",
            is_paired=True,
            has_onsets=True,
        )
        for name in ("alone", "shared")
    ]
    expected = measure(jobs[0], real, samples)
    embed_shared(jobs[1], [pairs], {})
    for module, reads in (
        (loudness, "sound_loudness"),
        (envelope, "_read"),
        (reference_onsets, "read_for_onsets"),
    ):
        monkeypatch.setattr(module, reads, refuse)
    assert measure(jobs[1], real, samples) == expected
    assert [len(found.problems) for found in expected] == [0, 0, 0]
    assert all(parts for found in expected for parts in (ratio.parts for ratio in found.ratios.values()))


def test_folders_that_are_not_paired_have_no_reference(tmp_path: Path) -> None:
    job = EmbedJob(weights=(), reading=AUDIOLDM_EVAL, cache=tmp_path, device="cpu")
    assert reference_metrics(job, {}) == []
