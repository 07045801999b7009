from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cinefoley.evaluation.stage.take_metrics import (
    TakeFigures,
    derange_within_kinds,
    measure_takes,
    silent_stretches,
    stays_silent,
    summarise_takes,
    watch_takes,
)
from cinefoley.metrics.alignment import AlignmentJudge
from cinefoley.metrics.backbones.lite import LiteBackbone
from cinefoley.metrics.backbones.protocol import Embedding
from cinefoley.metrics.onsets import OnsetCounts
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
def judge(tiny_model: Path) -> AlignmentJudge:
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = AlignmentClassifier(
            block_out_channels=(8, 16), feature_dim=16, max_frames=10, num_heads=2, norm_num_groups=4
        )
    return AlignmentJudge(classifier, pipeline.vae, pipeline.foley_config).eval()


def test_a_perfect_model_scores_one_and_its_derangement_does_not(
    tiny_model: Path, judge: AlignmentJudge
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


def test_the_figures_do_not_depend_on_the_batch(tiny_model: Path, judge: AlignmentJudge) -> None:
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
        watch_takes(takes, pipeline, view=view) for view in ("full", "close_up", "camera_movement")
    )
    assert full.shape == close.shape == moving.shape == (1, 10, 3, 32, 32)
    assert float((full.float() - close.float()).abs().mean()) > 3
    assert float((close.float() - moving.float()).abs().mean()) > 3
    with pytest.raises(ValueError, match="view must be one of"):
        watch_takes(takes, pipeline, view="sideways")  # type: ignore[arg-type]


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


def test_silent_stretches_are_where_nothing_sounds() -> None:
    waveform = torch.zeros(8 * 16000)
    waveform[2 * 16000 : 3 * 16000] = 0.5
    waveform[int(3.5 * 16000) : 4 * 16000] = 0.5
    stretches = silent_stretches(waveform, sample_rate=16000)
    assert [(round(a, 2), round(b, 2)) for a, b in stretches] == [(0.0, 1.9), (4.1, 8.0)]
    assert silent_stretches(torch.zeros(32000), sample_rate=16000) == [(0.0, 2.0)]


def test_noise_thirty_decibels_down_is_silence_and_twenty_is_not() -> None:
    waveform = torch.zeros(4 * 16000)
    waveform[:16000] = 1.0
    for level_db, is_silent in ((-31.0, True), (-29.0, False)):
        waveform[16000:] = 10 ** (level_db / 20)
        assert stays_silent(waveform, (1.1, 4.0), sample_rate=16000, is_mute=False) is is_silent
    assert stays_silent(waveform * 0.01, (1.1, 4.0), sample_rate=16000, is_mute=True)


def make_take(seed: int, *, hits: int, missed: int, other_hits: int, aligned: bool) -> TakeFigures:
    return TakeFigures(
        seed=seed,
        kind="drum",
        take=0,
        probability=0.9 if aligned else 0.1,
        is_onset_like=True,
        own=OnsetCounts(hits=hits, missed=missed),
        other=OnsetCounts(hits=other_hits, missed=hits + missed - other_hits, extra=hits - other_hits),
        is_kind_heard=aligned,
        silences=0,
        kept_silences=0,
    )


def test_ratios_are_of_sums_and_their_intervals_hold_them() -> None:
    takes = [
        make_take(n, hits=3 if n % 4 else 1, missed=0 if n % 4 else 2, other_hits=1, aligned=n % 4 > 0)
        for n in range(40)
    ]
    report = summarise_takes(takes)
    assert report["alignment accuracy"].value == pytest.approx(0.75)
    assert report["onset F1"].value == pytest.approx(2 * 100 / (2 * 100 + 20))
    other = 2 * 40 / (2 * 40 + 60 + 80)
    assert report["onset F1, other clip"].value == pytest.approx(other)
    assert report["onset F1 margin"].value == pytest.approx(2 * 100 / 220 - other)
    assert "silence kept" not in report, "there was no silence to keep"
    for figure in report.values():
        assert figure.low < figure.value < figure.high
        assert figure.clips == 40


def test_clips_are_drawn_again_with_all_their_takes() -> None:
    """Ten takes of a clip are no ten clips: the interval of copies is as wide as that of one take each."""
    once = [make_take(n, hits=1, missed=0, other_hits=0, aligned=n % 2 > 0) for n in range(30)]
    widths = []
    for copies in (1, 10):
        figure = summarise_takes([take for take in once for _ in range(copies)])["alignment accuracy"]
        widths.append(figure.high - figure.low)
    assert widths[0] == pytest.approx(widths[1], rel=1e-6)
    assert np.isclose(widths[0], 0.36, atol=0.06)
