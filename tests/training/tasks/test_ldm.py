from dataclasses import replace

import pytest
import torch
from tests.training.small_tasks import DENOISER

from cinefoley.config.mel import MelConfig
from cinefoley.models.build import build_denoiser, build_scheduler
from cinefoley.models.conditioner import Conditioner
from cinefoley.training.engine.task import Sample
from cinefoley.training.tasks.ldm import LatentDiffusionTask

CLIPS, FRAMES, WIDTH = 6, 32, 64


def task(**changes: object) -> LatentDiffusionTask:
    torch.manual_seed(0)
    prediction_type = changes.pop("prediction_type", "epsilon")
    config = replace(DENOISER, prediction_type=prediction_type)  # type: ignore[arg-type]
    # clip i is the number i everywhere, in latents and features alike: every sample tells where it is from
    number = torch.arange(CLIPS, dtype=torch.float32)
    settings: dict[str, object] = {
        "means": number.view(-1, 1, 1, 1).expand(-1, 4, 4, WIDTH),
        "stds": torch.zeros(CLIPS, 4, 4, WIDTH),
        "video_features": number.view(-1, 1, 1).expand(-1, FRAMES, 8),
    }
    conditioner = Conditioner(feature_dim=8, context_dim=12, max_frames=FRAMES)
    return LatentDiffusionTask(
        build_denoiser(config),
        conditioner,
        build_scheduler(config),
        **(settings | changes),  # type: ignore[arg-type]
    )


def batch(concatenation: float, size: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    trained = task(concatenation=concatenation)
    loaded = trained.load(trained.draw(0, torch.Generator().manual_seed(1), size))
    return loaded["latents"][:, 0, 0], loaded["video_features"][:, :, 0]


def test_latents_and_features_of_a_sample_are_cut_at_the_same_moment() -> None:
    latents, features = batch(concatenation=1.0)
    assert torch.equal(latents, features.repeat_interleave(WIDTH // FRAMES, dim=1))


def test_joined_clips_keep_at_least_two_seconds_of_each() -> None:
    _, features = batch(concatenation=1.0)
    joined = features[(features != features[:, :1]).any(dim=1)]
    lengths = (joined == joined[:, :1]).sum(dim=1)
    assert len(joined) > 100
    assert int(lengths.min()) >= 8
    assert int(lengths.max()) <= FRAMES - 8


def test_about_as_many_samples_are_joined_as_asked_for() -> None:
    assert not (batch(concatenation=0.0)[1].diff(dim=1) != 0).any()
    joined = (batch(concatenation=0.5)[1].diff(dim=1) != 0).any(dim=1).float().mean()
    assert float(joined) == pytest.approx(0.5 * (1 - 1 / CLIPS), abs=0.1)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_the_target_is_what_the_scheduler_turns_into_the_latents(prediction_type: str) -> None:
    trained = task(prediction_type=prediction_type)
    latents, noise = torch.randn(3, 4, 4, WIDTH), torch.randn(3, 4, 4, WIDTH)
    steps = torch.tensor([10, 500, 999])
    noisy, target = trained._diffuse(latents, noise, steps)
    scheduler = trained.scheduler
    for row, step in enumerate(steps.tolist()):
        level = scheduler.alphas_cumprod[step]
        assert torch.allclose(noisy[row], level.sqrt() * latents[row] + (1 - level).sqrt() * noise[row])
        if prediction_type == "epsilon":
            recovered = (noisy[row] - (1 - level).sqrt() * target[row]) / level.sqrt()
        else:
            recovered = level.sqrt() * noisy[row] - (1 - level).sqrt() * target[row]
        assert torch.allclose(recovered, latents[row], atol=1e-3)


@pytest.mark.parametrize("null_condition", ["zero_context", "zero_features"])
def test_a_dropped_condition_is_the_null_condition_of_sampling(null_condition: str) -> None:
    trained = task(null_condition=null_condition)
    features = torch.rand(2, FRAMES, 8)
    context = trained._context(features, torch.tensor([True, False]))
    null = torch.zeros(FRAMES, 12)
    if null_condition == "zero_features":
        null = trained.conditioner(torch.zeros(1, FRAMES, 8))[0]
    assert torch.allclose(context[0], null)
    assert torch.allclose(context[1], trained.conditioner(features)[1])


def test_a_step_is_the_same_from_the_same_generator() -> None:
    trained = task()
    first, second = (trained.loss(0, torch.Generator().manual_seed(3), 4)["loss"] for _ in range(2))
    assert torch.equal(first, second)


def test_joined_clips_are_both_named() -> None:
    trained = task()
    rows = {"index": torch.tensor([[4, 2], [1, 5]]), "cut": torch.tensor([FRAMES, 9])}
    assert trained.clip_names(rows) == ["clip 4", "clip 1 + 5"]


def test_attention_is_not_recorded_without_gradients() -> None:
    trained = task(guidance_weight=0.5)
    with torch.no_grad():
        losses = trained.loss(0, torch.Generator().manual_seed(3), 4)
    assert losses.keys() == {"loss", "noise", "noisy_half"}
    assert torch.equal(losses["loss"], losses["noise"])


def test_samples_are_what_the_preview_makes() -> None:
    sample = Sample(name="rain", mel=torch.zeros(128, 8), config=MelConfig())
    assert task(preview=lambda: [sample]).samples() == [sample]
    assert not task().samples()


def test_attention_is_replaced_only_where_it_is_guided() -> None:
    plain, guided = task(), task(guidance_weight=0.2)
    kinds = [
        {type(one).__name__ for one in trained.denoiser.attn_processors.values()}
        for trained in (plain, guided)
    ]
    assert kinds[0].isdisjoint(kinds[1])
    losses = [trained.loss(0, torch.Generator().manual_seed(1), 4) for trained in (plain, guided)]
    assert "off_time" not in losses[0]
    assert float(losses[1]["off_time"].detach()) > 0
    torch.testing.assert_close(losses[0]["noise"], losses[1]["noise"])
