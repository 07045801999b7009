from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cinefoley.config.model import DenoiserConfig
from cinefoley.models.build import build_scheduler
from cinefoley.pipelines.guidance import combine_halves, is_guided_at
from cinefoley.pipelines.schedulers import make_scheduler, noise_level
from cinefoley.pipelines.settings import SamplingSettings

CONFIG = DenoiserConfig()
SCHEDULER = build_scheduler(CONFIG)
TIME = torch.tensor(400.0)


def draw(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 4, 3, 5, generator=generator) for _ in range(count)]


def guide(settings: SamplingSettings, *tensors: Tensor, prediction_type: str = "v_prediction") -> Tensor:
    latents, unconditional, conditional = tensors
    return combine_halves(settings, SCHEDULER, prediction_type)(latents, TIME, unconditional, conditional)


def test_plain_guidance_is_the_papers_formula_bit_for_bit() -> None:
    latents, unconditional, conditional = draw(3)
    guided = guide(SamplingSettings(), latents, unconditional, conditional)
    assert torch.equal(guided, unconditional + 4.5 * (conditional - unconditional))


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_rescaled_guidance_has_the_deviation_of_the_conditional_prediction(share: float) -> None:
    latents, unconditional, conditional = draw(3)
    plain = guide(SamplingSettings(), latents, unconditional, conditional)
    guided = guide(SamplingSettings(guidance_rescale=share), latents, unconditional, conditional)
    for row, before, target in zip(guided, plain, conditional, strict=True):
        expected = share * target.std() + (1 - share) * before.std()
        assert float(row.std()) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_projected_guidance_without_parallel_part_changes_the_denoised_latents_at_right_angles(
    prediction_type: str,
) -> None:
    tensors = draw(3)
    guided = guide(
        SamplingSettings(adaptive_projected_guidance_eta=0.0), *tensors, prediction_type=prediction_type
    )
    denoised, before, unconditional = (
        denoise(tensors[0], part, prediction_type) for part in (guided, tensors[2], tensors[1])
    )
    # diffusers adds the projected part to the unconditional one
    change = denoised - unconditional
    for row, target in zip(change, before, strict=True):
        cosine = torch.nn.functional.cosine_similarity(row.flatten(), target.flatten(), dim=0)
        assert abs(float(cosine)) < 1e-3


def test_projected_guidance_of_all_parts_is_plain_guidance() -> None:
    tensors = draw(3)
    settings = SamplingSettings(adaptive_projected_guidance_rescale=1e6)
    torch.testing.assert_close(
        guide(settings, *tensors), guide(SamplingSettings(), *tensors), rtol=1e-3, atol=1e-4
    )


def test_a_limit_on_the_norm_is_kept() -> None:
    tensors = draw(3)
    settings = SamplingSettings(adaptive_projected_guidance_rescale=0.5, guidance_scale=2.0)
    guided = guide(settings, *tensors)
    change = denoise(tensors[0], guided, "v_prediction") - denoise(tensors[0], tensors[1], "v_prediction")
    norms = change.flatten(1).norm(dim=1)
    assert norms.tolist() == pytest.approx([1.0, 1.0], rel=1e-4), "scale 2 of a norm of 0.5"


def test_momentum_remembers_earlier_steps() -> None:
    tensors = draw(3)
    settings = SamplingSettings(adaptive_projected_guidance_momentum=-0.5)
    combine = combine_halves(settings, SCHEDULER, "v_prediction")
    first, second = (combine(tensors[0], TIME, *tensors[1:]) for _ in range(2))
    assert not torch.allclose(first, second)


def test_projection_needs_noise_or_velocity() -> None:
    with pytest.raises(ValueError, match="needs noise or velocity, not 'sample'"):
        combine_halves(SamplingSettings(adaptive_projected_guidance_eta=0.0), SCHEDULER, "sample")


def denoise(latents: Tensor, prediction: Tensor, prediction_type: str) -> Tensor:
    signal, sigma = noise_level(SCHEDULER, TIME)
    if prediction_type == "v_prediction":
        return signal * latents - sigma * prediction
    return (latents - sigma * prediction) / signal


def test_the_interval_is_half_open_and_counts_from_the_noise() -> None:
    config = replace(CONFIG)
    times = make_scheduler(build_scheduler(config).config, "dpm++", 10).timesteps
    guided = [is_guided_at(time, (0.2, 0.8), 1000) for time in times]
    assert guided == [False] * 2 + [True] * 6 + [False] * 2
    assert all(is_guided_at(time, (0.0, 1.0), 1000) for time in times)
    assert is_guided_at(torch.tensor(0.0), (0.5, 1.0), 1000), "the end belongs to an interval up to 1"
