from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cinefoley.evaluation.stage.take_metrics import derange_within_kinds, measure_takes, stage_frames
from cinefoley.evaluation.stage.take_summary import summarise_takes
from cinefoley.metrics.alignment import AlignmentScorer
from cinefoley.metrics.backbones.lite import LiteBackbone
from cinefoley.metrics.backbones.protocol import Embedding
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.stage import draw_take
from cinefoley.stage.kinds import KINDS

SEEDS = range(24)


class Oracle(FoleyPipeline):
    """Sounds exactly as the clip itself does, whatever it is shown: what a perfect model would do."""

    sounded = 0

    def vocode(self, mel: Tensor, **options: Any) -> Tensor:
        window_s = self.foley_config.window_s
        first = type(self).sounded
        takes = [draw_take(n, split="valid", duration_s=window_s) for n in range(first, first + len(mel))]
        type(self).sounded += len(mel)
        return torch.stack([torch.from_numpy(take.waveform(16000)) for take in takes])


class Ear(LiteBackbone):
    """Hears the first kind in everything."""

    def __init__(self) -> None:
        self.classes = [actor.kind for actor in KINDS]

    def embed(self, waveform: Tensor, sample_rate: int) -> Embedding:
        return Embedding(torch.zeros(1), torch.eye(len(self.classes))[0])


@pytest.fixture(scope="module")
def judge(tiny_model: Path) -> AlignmentScorer:
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = AlignmentClassifier(
            block_out_channels=(8, 16), feature_dim=16, max_frames=10, num_heads=2, norm_num_groups=4
        )
    return AlignmentScorer(classifier, pipeline.vae, pipeline.foley_config).eval()


def test_a_perfect_model_scores_one_and_its_derangement_does_not(
    tiny_model: Path, judge: AlignmentScorer
) -> None:
    takes = measure_takes(
        Oracle.from_pretrained(tiny_model), judge, Ear(), SEEDS, split="valid", num_inference_steps=1
    )
    report = summarise_takes(takes)
    assert report["onset F1"].value > 0.97
    assert report["onset F1, other clip"].value < 0.75
    assert report["silence kept"].value == 1.0
    assert [take.seed for take in takes] == list(SEEDS)
    first = {take.seed for take in takes if take.is_kind_heard}
    drawn = {n: draw_take(n, split="valid", duration_s=2.5) for n in SEEDS}
    sounding = {n for n, take in drawn.items() if take.waveform(16000).any()}
    assert first == {n for n in sounding if KINDS[0].kind in {a.kind for a in drawn[n].actors}}


def test_the_figures_do_not_depend_on_the_batch(tiny_model: Path, judge: AlignmentScorer) -> None:
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    one, four = (
        measure_takes(
            pipeline,
            judge,
            Ear(),
            range(3),
            split="valid",
            num_takes=2,
            num_inference_steps=2,
            batch_size=size,
        )
        for size in (2, 6)
    )
    assert [take.own for take in one] == [take.own for take in four]
    assert [(take.seed, take.take) for take in one] == [(n, k) for n in range(3) for k in range(2)]
    for left, right in zip(one, four, strict=True):
        assert left.probability == pytest.approx(right.probability, abs=1e-4)


def test_views_show_what_the_variations_show(tiny_model: Path) -> None:
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    takes = [draw_take(4, split="valid", duration_s=2.5)]
    full, close, moving = (
        stage_frames(takes, pipeline, view=view) for view in ("full", "close_up", "camera_movement")
    )
    assert full.shape == close.shape == moving.shape == (1, 10, 3, 32, 32)
    assert float((full.float() - close.float()).abs().mean()) > 3
    assert float((close.float() - moving.float()).abs().mean()) > 3
    with pytest.raises(ValueError, match="view must be one of"):
        stage_frames(takes, pipeline, view="sideways")  # type: ignore[arg-type]


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
