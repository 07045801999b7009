from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from cinefoley.config.frame_rate import FrameRate
from cinefoley.config.model import VideoEncoderConfig
from cinefoley.config.training import TrainConfig
from cinefoley.config.variations import VariationConfig
from cinefoley.data.cache.clip_frames import ClipFrames, FrameSettings
from cinefoley.data.cache.frame_cache import prepare_frames
from cinefoley.data.sources.stage import StageSource
from cinefoley.distillation import FeatureSpace, distillation_loss
from cinefoley.distillation.pairs import prepare_teacher_features
from cinefoley.distillation.presets import distillation
from cinefoley.distillation.recipe import DistillationRecipe
from cinefoley.distillation.task import DistillationTask
from cinefoley.models.build import build_video_encoder
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.engine.loop import fit
from cinefoley.training.engine.step_seeds import step_generator

SIZE = (32, 32)
COUNT = 6


def recipe(proportion: float = 0.75, **options: Any) -> DistillationRecipe:
    variation = VariationConfig(variation_proportion=proportion)
    return replace(distillation("paper"), variation=variation, **options)


def build(seed: int = 0) -> VideoEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_video_encoder(VideoEncoderConfig(width=4, blocks=(1, 1, 1, 1), feature_dim=8)).eval()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def pictures(cache: Path) -> ClipFrames:
    reading = FrameSettings.of(SIZE, FrameRate.of(4), duration_s=1.5, least_s=1.25, scale=0.4)
    return prepare_frames(StageSource("train", COUNT, duration_s=1.5), reading, cache)


@pytest.fixture
def make_task(cache: Path, pictures: ClipFrames) -> Any:
    def make(proportion: float = 0.75, **options: Any) -> DistillationTask:
        features = prepare_teacher_features(pictures, build(), cache, frame_size=SIZE)
        return DistillationTask(build(), pictures, features, recipe(proportion, **options), frame_size=SIZE)

    return make


def step(task: DistillationTask, number: int = 0, batch_size: int = COUNT) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return task.loss(number, step_generator(0, number), batch_size)


@pytest.mark.parametrize("space", ["normalized", "raw"])
def test_an_untrained_student_agrees_on_whole_clips_and_not_on_crops(
    make_task: Any, space: FeatureSpace
) -> None:
    assert float(step(make_task(0.0, feature_space=space))["loss"]) == pytest.approx(0, abs=1e-5)
    assert float(step(make_task(1.0, feature_space=space))["loss"]) > 1e-3


@pytest.mark.parametrize("space", ["normalized", "raw"])
def test_the_loss_is_the_papers_between_crops_and_whole_clips(
    make_task: Any, pictures: ClipFrames, space: FeatureSpace
) -> None:
    """Against both networks run side by side on clips cut by hand."""
    task = make_task(1.0, feature_space=space, cosine_weight=0.5, mse_weight=2.0)
    drawn = task.draw(0, step_generator(0, 0), 4)
    seen, whole = [], []
    for row, seed in zip(drawn["index"].tolist(), drawn["seed"].tolist(), strict=True):
        generator = torch.Generator().manual_seed(seed)
        window = task.variation.draw(pictures.sizes[row], generator=generator)
        assert window.kind == "close_up"
        seen.append(pictures.video(row, size=SIZE, window=window))
        whole.append(pictures.video(row, size=SIZE))
    with torch.no_grad():
        student, teacher = (
            build()(torch.stack(videos).float() / 255, normalize=False) for videos in (seen, whole)
        )
        if space == "normalized":
            student, teacher = F.normalize(student, dim=-1), F.normalize(teacher, dim=-1)
        expected = distillation_loss(student, teacher, cosine_weight=0.5, mse_weight=2.0)
        found = task.losses(task.load(drawn), step=0)
    assert float(found["loss"]) == pytest.approx(float(expected), rel=1e-4)


def test_about_the_asked_share_of_clips_is_varied(make_task: Any, pictures: ClipFrames) -> None:
    task = make_task(0.75)
    drawn = task.draw(0, step_generator(0, 0), 400)
    kinds = [
        task._window(row, seed).kind
        for row, seed in zip(drawn["index"].tolist(), drawn["seed"].tolist(), strict=True)
    ]
    assert kinds.count("close_up") / 400 == pytest.approx(0.75, abs=0.06)
    assert set(kinds) == {"close_up", "none"}


def test_a_clip_is_cut_anew_in_every_pass(make_task: Any) -> None:
    task = make_task(1.0)
    seeds = torch.cat([task.draw(n, step_generator(0, n), COUNT)["seed"] for n in range(3)])
    assert len(seeds.unique()) == 3 * COUNT


def test_training_brings_crops_nearer_and_statistics_stay(make_task: Any, tmp_path: Path) -> None:
    task = make_task(1.0)
    task.held_out = task.on(frames=task.frames, teacher_features=task.teacher_features)
    before = task.validate()
    assert before["cosine_whole"] == pytest.approx(0, abs=1e-5)
    assert before["cosine_varied"] > 1e-3
    statistics = {n: b.clone() for n, b in task.student.named_buffers() if "running" in n}
    config = TrainConfig(
        steps=40,
        batch_size=COUNT,
        learning_rate=1e-3,
        warmup_steps=2,
        batch_norm="frozen",
        precision="fp32",
        log_every=10,
    )
    fit(task, config, tmp_path)
    assert task.validate()["cosine_varied"] < 0.7 * before["cosine_varied"]
    for name, value in task.student.named_buffers():
        if name in statistics:
            assert torch.equal(value, statistics[name])


def test_clips_are_named(make_task: Any) -> None:
    task = make_task()
    assert task.clip_names({"index": torch.tensor([2, 0])}) == ["train-000002", "train-000000"]


def test_features_of_other_clips_are_refused(make_task: Any, pictures: ClipFrames) -> None:
    with pytest.raises(ValueError, match=r"must be \(6, 6, 8\).*got \(5, 6, 8\)"):
        DistillationTask(build(), pictures, torch.zeros(5, 6, 8), recipe(), frame_size=SIZE)
