"""DPM-Solver++, DDIM and PLMS at full size, alone and under double guidance, against the reference's latents.

``fixtures/samplers.npz`` and ``fixtures/double_guidance.npz`` hold final latents and the times of all calls;
the latter were made with raw features in the classifier, as the reference does. ``fixtures/classifiers.npz``
has the classifier's gradients for raw and for embedded features.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.config.presets import diff_foley
from cinefoley.models.build import build_scheduler
from cinefoley.pipelines.denoiser import GuidedDenoiser, predict_with
from cinefoley.pipelines.double_guidance import DoubleGuidance
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.guidance import combine_halves
from cinefoley.pipelines.schedulers import make_scheduler
from cinefoley.pipelines.settings import Sampler, SamplingOptions, SamplingSettings
from cinefoley.spectral.magnitude import Compat

_NAMES: dict[Sampler, str] = {"dpm++": "DPM_Solver", "ddim": "DDIM", "plms": "PLMS"}
_GUIDANCE_SCALE, _DOUBLE_GUIDANCE_SCALE = 4.5, 50.0
_FIVE_STEPS = 1e-3  # rounding, amplified by guidance over random weights


@pytest.fixture(scope="module")
def pipeline(model_folder: Path) -> FoleyPipeline:
    return FoleyPipeline.from_pretrained(model_folder)


@pytest.mark.parametrize(
    ("sampler", "steps", "fixture"),
    [
        ("dpm++", 5, "samplers"),
        ("dpm++", 25, "samplers"),
        ("ddim", 5, "samplers"),
        ("plms", 5, "samplers"),
        ("dpm++", 5, "double_guidance"),
        ("ddim", 5, "double_guidance"),
    ],
)
def test_the_network_is_called_at_the_reference_times(
    sampler: Sampler, steps: int, fixture: str, reference_fixture: Callable[[str], dict[str, Any]]
) -> None:
    expected = reference_fixture(fixture)[f"{_NAMES[sampler]}_{steps}_model_t"]
    scheduler = make_scheduler(build_scheduler(diff_foley().denoiser).config, sampler, steps)
    assert scheduler.timesteps.tolist() == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "fixture"),
    [("ddim", "samplers"), ("plms", "samplers"), ("dpm++", "double_guidance"), ("ddim", "double_guidance")],
)
def test_latents(
    sampler: Sampler,
    fixture: str,
    pipeline: FoleyPipeline,
    features: torch.Tensor,
    noise: torch.Tensor,
    reference_fixture: Callable[[str], dict[str, Any]],
    assert_close: Any,
) -> None:
    """Alone, and under double guidance with the reference's raw features."""
    settings: SamplingOptions = {
        "sampler": sampler,
        "num_inference_steps": 5,
        "guidance_scale": _GUIDANCE_SCALE,
    }
    if fixture == "double_guidance":
        settings |= {"double_guidance_scale": _DOUBLE_GUIDANCE_SCALE, "compat": "diff-foley"}
    latents = pipeline.sample(features, latents=noise, **settings)
    assert_close(latents, reference_fixture(fixture)[f"{_NAMES[sampler]}_5_final"], _FIVE_STEPS)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize(("compat", "context"), [("diff-foley", "raw"), (None, "emb")])
def test_noise_under_double_guidance_with_raw_and_with_embedded_features(
    compat: Compat | None,
    context: str,
    pipeline: FoleyPipeline,
    features: torch.Tensor,
    noise: torch.Tensor,
    reference_fixture: Callable[[str], dict[str, Any]],
    assert_close: Any,
) -> None:
    """Put together from the reference's parts: two predictions, one gradient, and the noise level."""
    scheduler = make_scheduler(pipeline.scheduler.config, "dpm++", 5)
    embedded = pipeline.embed(features)
    denoise = GuidedDenoiser(
        predict_with(pipeline.unet),
        embedded,
        null_context=torch.zeros_like(embedded),
        combine=combine_halves(
            SamplingSettings(guidance_scale=_GUIDANCE_SCALE), scheduler, scheduler.config.prediction_type
        ),
    )
    guided = DoubleGuidance(
        denoise,
        pipeline.load_guidance_classifier(),
        features,
        scheduler,
        scale=_DOUBLE_GUIDANCE_SCALE,
        compat=compat,
    )
    arrays = reference_fixture("ldm_modules") | reference_fixture("classifiers")
    gradient = arrays[f"dg_t999_{context}_gradlogp"]
    assert_close(guided.log_probability_gradient(noise, scheduler.timesteps[0]), gradient, 1e-3)
    unconditional, conditional = arrays["eps_t999_uncond"], arrays["eps_t999_cond"]
    sigma = (1 - arrays["schedule_alphas_cumprod"][999]) ** 0.5
    expected = unconditional + _GUIDANCE_SCALE * (conditional - unconditional)
    expected = expected - _DOUBLE_GUIDANCE_SCALE * sigma * gradient
    assert_close(guided(noise, scheduler.timesteps[0]), expected, 1e-4)
