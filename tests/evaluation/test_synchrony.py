from pathlib import Path

import pytest
import torch
from torch import Tensor

from cinefoley.evaluation.synchrony import derange_within_kinds, measure_synchrony
from cinefoley.first_stage.render import draw_take
from cinefoley.pipelines.foley import FoleyPipeline

SEEDS = range(24)


class Oracle(FoleyPipeline):
    """Sounds exactly when the clip's own sound does, whatever it is shown: what a perfect model would do."""

    sounded = 0

    def vocode(self, mel: Tensor, *, seed: int = 0) -> Tensor:
        window_s = self.foley_config.window_s
        takes = [
            draw_take(n, split="valid", duration_s=window_s)
            for n in range(self.sounded, self.sounded + len(mel))
        ]
        type(self).sounded += len(mel)
        return torch.stack([torch.from_numpy(take.waveform(16000)) for take in takes])


def test_a_perfect_model_scores_one_and_its_derangement_does_not(tiny_model: Path) -> None:
    report = measure_synchrony(
        Oracle.from_pretrained(tiny_model), SEEDS, split="valid", num_inference_steps=1
    )
    assert report.true.f1 == 1.0
    assert report.true == report.real
    assert report.deranged.f1 < 0.7
    assert report.clips == len(SEEDS)
    assert sum(counts.hits for counts in report.by_kind.values()) == report.true.hits


def test_an_untrained_model_is_no_better_than_its_derangement(tiny_model: Path) -> None:
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    report = measure_synchrony(pipeline, SEEDS, split="valid", num_inference_steps=1)
    assert report.true.f1 < 0.5
    assert abs(report.true.f1 - report.deranged.f1) < 0.2


def test_the_figures_do_not_depend_on_the_batch(tiny_model: Path) -> None:
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    one, four = (
        measure_synchrony(pipeline, range(6), split="valid", num_inference_steps=2, batch_size=size)
        for size in (1, 4)
    )
    assert one == four


def test_every_clip_is_judged_by_another_of_its_kind() -> None:
    kinds = ["drum", "bell", "drum", "gun", "drum", "bell"]
    others = derange_within_kinds(kinds)
    assert others[3] is None, "the only gun has no partner"
    partners = [other for other in others if other is not None]
    assert sorted(partners) == [0, 1, 2, 4, 5]
    assert all(
        other != index and kinds[other] == kinds[index]
        for index, other in enumerate(others)
        if other is not None
    )


def test_no_clips_are_refused(tiny_model: Path) -> None:
    with pytest.raises(ValueError, match="at least one seed"):
        measure_synchrony(FoleyPipeline.from_pretrained(tiny_model), [], split="valid")
