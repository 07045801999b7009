"""What every task promises the engine, and the documented example of one."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.small_tasks import DENOISER
from torch.nn import functional as F

from cinefoley.config.model import (
    AudioEncoderConfig,
    AutoencoderConfig,
    VideoEncoderConfig,
)
from cinefoley.data.cache.stage_cache import KIND_NAMES, StageClips
from cinefoley.metrics.backbones.lite import LiteNet
from cinefoley.models import build
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.models.conditioner import Conditioner
from cinefoley.training.engine.task import Task
from cinefoley.training.tasks.alignment import AlignmentTask
from cinefoley.training.tasks.alignment_pairs import AlignmentPairs
from cinefoley.training.tasks.audio_classifier import AudioClassifierTask
from cinefoley.training.tasks.autoencoder import AutoencoderTask
from cinefoley.training.tasks.cavp import CavpTask
from cinefoley.training.tasks.cavp_warm_start import WarmStartTask
from cinefoley.training.tasks.frame_targets import FrameTargetHeads
from cinefoley.training.tasks.ldm import LatentDiffusionTask

CLIPS, FRAMES = 5, 32


def stage_clips() -> StageClips:
    return StageClips(
        frames=torch.randint(256, (CLIPS, FRAMES, 3, 16, 16)).to(torch.uint8),
        mels=torch.rand(CLIPS, 16, 16 * FRAMES).half(),
        kinds=torch.randint(len(KIND_NAMES), (CLIPS, 2)),
        events_s=torch.rand(CLIPS, 3) * 8,
        is_onset_like=torch.rand(CLIPS, 3) < 0.7,
    )


def towers() -> tuple[Any, Any]:
    video = VideoEncoderConfig(width=4, blocks=(1, 1, 1, 1), feature_dim=16)
    audio = AudioEncoderConfig(
        n_mels=16, channels=(4, 4, 8, 8), time_pools=(2,) * 4, band_pools=(2,) * 4, feature_dim=16
    )
    return build.build_video_encoder(video), build.build_audio_encoder(audio)


def video_encoder() -> Task:
    encoder, audio = towers()
    task = WarmStartTask(encoder, stage_clips(), audio_encoder=audio)
    task.held_out = task.on(clips=stage_clips())
    return task


def cavp() -> Task:
    heads = FrameTargetHeads(16, len(KIND_NAMES))
    task = CavpTask(*towers(), stage_clips(), pooling="frames", heads=heads)
    task.held_out = task.on(clips=stage_clips())
    return task


def autoencoder() -> Task:
    config = AutoencoderConfig(
        channels=1,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        has_middle_attention=False,
    )
    task = AutoencoderTask(build.build_autoencoder(config), torch.rand(CLIPS, 16, 64).half(), crop_frames=16)
    task.held_out = task.on(mels=torch.rand(3, 16, 64).half())
    return task


def latents() -> dict[str, Any]:
    size = (CLIPS, 4, 4, 64)
    features = F.normalize(torch.randn(CLIPS, FRAMES, 8), dim=-1)
    return {"means": torch.randn(size), "stds": torch.rand(size), "video_features": features}


def ldm() -> Task:
    conditioner = Conditioner(feature_dim=8, context_dim=12, max_frames=FRAMES)
    denoiser = build.build_denoiser(DENOISER)
    task = LatentDiffusionTask(denoiser, conditioner, build.build_scheduler(DENOISER), **latents())
    task.held_out = task.on(**latents())
    return task


def pairs() -> AlignmentPairs:
    return AlignmentPairs(
        video_features=F.normalize(torch.randn(CLIPS, 8, 16), dim=-1),
        means=torch.randn(CLIPS, 2, 4, 8, 16),
        stds=torch.rand(CLIPS, 2, 4, 8, 16),
        is_negative=torch.tensor([False, True]).repeat(CLIPS, 1),
        is_silent=torch.zeros(CLIPS, dtype=torch.bool),
    )


def alignment() -> Task:
    classifier = AlignmentClassifier(
        block_out_channels=(8, 16), feature_dim=16, num_heads=2, norm_num_groups=4, adds_frames=True
    )
    task = AlignmentTask(classifier, pairs(), scheduler=build.build_scheduler(DENOISER))
    task.held_out = task.on(pairs=pairs())
    return task


def audio_classifier() -> Task:
    data = {
        "log_mels": torch.randn(CLIPS, 801, 64) - 20,
        "kinds": torch.randint(3, (CLIPS, 2)),
        "is_heard": torch.ones(CLIPS, dtype=torch.bool),
    }
    task = AudioClassifierTask(LiteNet(3, channels=(4, 4, 4, 4, 4)), **data)
    task.held_out = task.on(**data)
    return task


MAKERS: list[Callable[[], Task]] = [video_encoder, cavp, autoencoder, ldm, alignment, audio_classifier]


@pytest.fixture(params=MAKERS, ids=[maker.__name__ for maker in MAKERS])
def task(request: pytest.FixtureRequest) -> Task:
    maker: Callable[[], Task] = request.param
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return maker()


def test_a_row_is_the_same_on_every_rank(task: Task) -> None:
    """Ranks and parts load rows of their own: nothing of a row may depend on the others."""
    drawn = task.draw(3, torch.Generator().manual_seed(1), 4)
    assert {len(rows) for rows in drawn.values()} == {4}
    assert len(task.clip_names(drawn)) == 4
    whole = task.load(drawn)
    part = task.load({name: rows[1:3] for name, rows in drawn.items()})
    assert whole.keys() == part.keys()
    for name, rows in whole.items():
        message = f"rows of {name} depend on one another"
        torch.testing.assert_close(part[name], rows[1:3], equal_nan=True, msg=message)


def test_losses_are_deterministic_and_reach_every_parameter(task: Task) -> None:
    before = torch.get_rng_state()
    task.module.eval()  # without dropout, which draws from the global generator
    losses = [task.loss(0, torch.Generator().manual_seed(1), 4) for _ in range(2)]
    assert torch.equal(losses[0]["loss"], losses[1]["loss"])
    assert torch.equal(torch.get_rng_state(), before)
    losses[0]["loss"].backward()
    unused = [name for name, p in task.module.named_parameters() if p.requires_grad and p.grad is None]
    assert not unused, "ranks would wait for these gradients for ever"


def test_held_out_clips_are_validated_on(task: Task) -> None:
    task.module.eval()
    first = task.validate()
    assert first == task.validate()
    assert "loss" in first
    assert all(torch.tensor(value).isfinite() for value in first.values())


def test_the_documented_example_learns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[3] / "docs" / "examples" / "own_task.py"
    lines: list[dict[str, float]] = []
    names = runpy.run_path(str(example))
    names["main"].__globals__["print"] = lines.append
    names["main"](tmp_path)
    assert lines[-1]["step"] == 200
    assert lines[-1]["accuracy"] > 0.9
