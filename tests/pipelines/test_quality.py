import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from torch.nn import functional as F

from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.quality import QUALITIES, sampling_settings
from cinefoley.pipelines.schedulers import set_exact_timesteps
from cinefoley.pipelines.settings import SamplingSettings
from cinefoley.pipelines.takes.settings import generation_settings


def test_paper_is_diff_foleys_sampling_with_everything_else_off() -> None:
    assert QUALITIES["paper"] == SamplingSettings(
        quality="paper",
        num_inference_steps=25,
        guidance_scale=4.5,
        guidance_rescale=0.0,
        guidance_interval=(0.0, 1.0),
        adaptive_projected_guidance_eta=1.0,
        adaptive_projected_guidance_rescale=0.0,
        adaptive_projected_guidance_momentum=0.0,
        sampler="dpm++",
        use_karras_sigmas=False,
        cache_interval=1,
        double_guidance_scale=0.0,
        compat=None,
    )


@torch.no_grad()
def test_paper_is_the_published_loop_bit_for_bit(tiny_model: Path) -> None:
    """The loop written out: 25 steps of DPM-Solver++, both halves in one batch, w = 4.5 at every step."""
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    generator = torch.Generator().manual_seed(0)
    frames, width = pipeline.foley_config.feature_frames, pipeline.conditioner.config.feature_dim
    features = F.normalize(torch.randn(2, frames, width, generator=generator), dim=-1)
    noise = torch.randn(2, *pipeline.latent_shape, generator=generator)

    scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    set_exact_timesteps(scheduler, 25)
    context = pipeline.conditioner(features)
    both = torch.cat([torch.zeros_like(context), context])
    latents = noise
    for timestep in scheduler.timesteps:
        doubled = torch.cat([latents, latents]).contiguous(memory_format=torch.channels_last)
        unconditional, conditional = pipeline.unet(doubled, timestep, both).sample.chunk(2)
        guided = unconditional + 4.5 * (conditional - unconditional)
        latents = scheduler.step(guided, timestep, latents).prev_sample

    assert torch.equal(pipeline.sample(features, latents=noise, quality="paper"), latents)
    assert torch.equal(pipeline.sample(features, latents=noise), latents)


def test_presets_are_called_by_their_names_and_get_faster() -> None:
    assert [settings.quality for settings in QUALITIES.values()] == list(QUALITIES)
    steps = [settings.num_inference_steps for settings in QUALITIES.values()]
    assert steps == sorted(steps, reverse=True)


def test_what_is_given_replaces_the_presets_values() -> None:
    settings = sampling_settings("paper", quality="draft", num_inference_steps=7)
    assert settings.num_inference_steps == 7
    assert settings.guidance_interval == QUALITIES["draft"].guidance_interval
    assert sampling_settings("balanced") == QUALITIES["balanced"]
    made = generation_settings("balanced", quality=None, seed=3)
    assert (made.seed, SamplingSettings(**made.options())) == (3, QUALITIES["balanced"])
    assert sampling_settings() == QUALITIES["paper"]
    with pytest.raises(ValueError, match="quality must be one of paper, balanced, draft, got 'best'"):
        sampling_settings(quality="best")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def draft_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, whose folder asks for the draft quality."""
    folder = tmp_path_factory.mktemp("draft") / "model"
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    pipeline.save_pretrained(folder)
    config = json.loads((folder / "foley_config.json").read_text())
    (folder / "foley_config.json").write_text(json.dumps(config | {"quality": "draft"}))
    return folder


def test_the_folder_chooses_the_default_and_paper_where_it_does_not(
    draft_model: Path, tiny_model: Path
) -> None:
    features = torch.nn.functional.normalize(torch.randn(1, 10, 16), dim=-1)
    draft, plain = (FoleyPipeline.from_pretrained(folder) for folder in (draft_model, tiny_model))
    noise = torch.randn(1, *plain.latent_shape)
    assert draft.sampling_settings() == QUALITIES["draft"]
    assert plain.sampling_settings() == QUALITIES["paper"]
    by_name = plain.sample(features, latents=noise, quality="draft")
    assert torch.equal(draft.sample(features, latents=noise), by_name)
    paper = plain.sample(features, latents=noise)
    assert torch.equal(draft.sample(features, latents=noise, quality="paper"), paper)
    assert not torch.equal(paper, by_name)


OPTIONS: list[dict[str, Any]] = [
    {"guidance_rescale": 0.7},
    {"guidance_interval": (0.2, 0.8)},
    {"adaptive_projected_guidance_eta": 0.0},
    {"adaptive_projected_guidance_rescale": 0.1},
    {"adaptive_projected_guidance_momentum": -0.5},
    {"sampler": "unipc"},
    {"use_karras_sigmas": True},
    {"cache_interval": 2},
]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: next(iter(option)))
def test_every_option_has_an_effect_and_stays_near(tiny_model: Path, option: dict[str, Any]) -> None:
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    features = torch.nn.functional.normalize(torch.randn(2, 10, 16), dim=-1)
    noise = torch.randn(2, *pipeline.latent_shape)
    plain = pipeline.sample(features, latents=noise, num_inference_steps=5)
    changed = pipeline.sample(features, latents=noise, num_inference_steps=5, **option)
    assert changed.isfinite().all()
    assert not torch.equal(changed, plain)
    single = pipeline.sample(features[:1], latents=noise[:1], num_inference_steps=5, **option)
    torch.testing.assert_close(single, changed[:1], rtol=1e-3, atol=1e-3)


def test_takes_of_a_preset_do_not_depend_on_how_many_there_are(
    draft_model: Path, render_film: Callable[..., Path], tmp_path: Path
) -> None:
    pipeline = FoleyPipeline.from_pretrained(draft_model)
    video = render_film(tmp_path / "rain.mp4", duration_s=2.0)
    one, three = (pipeline(video, num_takes=count).mels for count in (1, 3))
    torch.testing.assert_close(one[0], three[0], rtol=1e-3, atol=1e-3)
