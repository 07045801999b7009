from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from cinefoley.config.model import DenoiserConfig
from cinefoley.config.presets import diff_foley
from cinefoley.models.build import build_scheduler
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.sampling import denoise_latents
from cinefoley.pipelines.schedulers import make_scheduler, noise_level, set_exact_timesteps
from cinefoley.pipelines.settings import Sampler

SAMPLERS: tuple[Sampler, ...] = ("dpm++", "ddim", "plms")
CONFIGS: dict[str, DenoiserConfig] = {
    "epsilon": diff_foley().denoiser,
    "v_prediction": replace(diff_foley().denoiser, prediction_type="v_prediction"),
}


def scheduler_with(steps: int) -> DPMSolverMultistepScheduler:
    scheduler = build_scheduler(diff_foley().denoiser)
    set_exact_timesteps(scheduler, steps)
    return scheduler


def test_times_are_diff_foleys_and_fractional() -> None:
    times = scheduler_with(25).timesteps
    assert len(times) == 25
    assert times[:3].tolist() == pytest.approx([999, 959.04, 919.08], abs=1e-3)
    assert float(times[-1]) == pytest.approx(39.96, abs=1e-3)


def test_noise_ends_at_the_first_training_level_not_at_zero() -> None:
    scheduler = scheduler_with(10)
    last = ((1 - scheduler.alphas_cumprod[0]) / scheduler.alphas_cumprod[0]).sqrt()
    assert float(scheduler.sigmas[-1]) == pytest.approx(float(last), rel=1e-5)
    assert (scheduler.sigmas[:-1] > scheduler.sigmas[1:]).all()


@pytest.mark.parametrize("steps", [1, 5, 14, 15, 25])
def test_a_perfect_denoiser_finds_the_latents(steps: int) -> None:
    """With the true noise at every step, any number of steps ends at the signal of the last level."""
    scheduler = scheduler_with(steps)
    latents = torch.randn(1, 4, 2, 8, generator=torch.Generator().manual_seed(0)).double()
    noise = torch.randn(1, 4, 2, 8, generator=torch.Generator().manual_seed(1)).double()

    def level(sigma: torch.Tensor) -> torch.Tensor:
        return (latents + sigma.double() * noise) / (1 + sigma.double() ** 2).sqrt()

    sample = level(scheduler.sigmas[0])
    for time in scheduler.timesteps:
        sample = scheduler.step(noise, time, sample).prev_sample
    assert torch.allclose(sample, level(scheduler.sigmas[-1]), atol=1e-3)


@pytest.mark.parametrize("prediction_type", CONFIGS)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [2, 5, 40])
def test_every_sampler_and_a_perfect_denoiser_find_the_latents(
    sampler: Sampler, steps: int, prediction_type: str
) -> None:
    """Noise that never changes is followed without error; velocity does change with the time."""
    clean = torch.randn(1, 4, 2, 8, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(1, 4, 2, 8, generator=torch.Generator().manual_seed(1))
    scheduler = make_scheduler(build_scheduler(CONFIGS[prediction_type]).config, sampler, steps)

    def denoise(latents: Tensor, timestep: Tensor) -> Tensor:
        signal, sigma = noise_level(scheduler, timestep)
        return noise if prediction_type == "epsilon" else signal * noise - sigma * clean

    def level(timestep: Tensor) -> Tensor:
        signal, sigma = noise_level(scheduler, timestep)
        return signal * clean + sigma * noise

    start = level(scheduler.timesteps[0])
    latents = denoise_latents(start, denoise, scheduler, prediction_type=prediction_type)
    assert torch.allclose(latents, level(torch.tensor(0)), atol=1e-4)


@pytest.mark.parametrize("sampler", ["ddim", "plms"])
def test_whole_times_are_diff_foleys(sampler: Sampler) -> None:
    times = make_scheduler(build_scheduler(CONFIGS["epsilon"]).config, sampler, 25).timesteps.tolist()
    expected = [time + 1 for time in range(0, 1000, 40)][::-1]
    assert times == (expected if sampler == "ddim" else [expected[0], expected[1], *expected[1:]])


def walk_ddim(noise_at: Callable[[Tensor, int], Tensor], x: Tensor, levels: Tensor, steps: int) -> Tensor:
    """Song et al., *Denoising diffusion implicit models*, ICLR 2021, Eq. 12 with sigma 0."""
    times = [time + 1 for time in range(0, 1000, 1000 // steps)]
    for index in reversed(range(steps)):
        now, then = levels[times[index]], levels[times[index - 1] if index else 0]
        noise = noise_at(x, times[index])
        clean = (x - (1 - now).sqrt() * noise) / now.sqrt()
        x = then.sqrt() * clean + (1 - then).sqrt() * noise
    return x


def walk_plms(noise_at: Callable[[Tensor, int], Tensor], x: Tensor, levels: Tensor, steps: int) -> Tensor:
    """Liu et al., *Pseudo numerical methods for diffusion models*, ICLR 2022; its first step is Heun's."""
    times = [time + 1 for time in range(0, 1000, 1000 // steps)]
    weights = ([1.0], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24])

    def move(x: Tensor, noise: Tensor, index: int) -> Tensor:
        now, then = levels[times[index]], levels[times[index - 1] if index else 0]
        return (then / now).sqrt() * (x - (1 - now).sqrt() * noise) + (1 - then).sqrt() * noise

    past: list[Tensor] = []
    for index in reversed(range(steps)):
        past = [noise_at(x, times[index]), *past][:4]
        if len(past) == 1:
            ahead = noise_at(move(x, past[0], index), times[index - 1])
            x = move(x, (past[0] + ahead) / 2, index)
        else:
            weight = torch.tensor(weights[len(past) - 1], dtype=x.dtype)
            x = move(x, torch.tensordot(weight, torch.stack(past), dims=1), index)
    return x


@pytest.mark.parametrize(("sampler", "walk"), [("ddim", walk_ddim), ("plms", walk_plms)])
@pytest.mark.parametrize("steps", [5, 8])
@torch.no_grad()
def test_latents_are_those_of_the_papers_formula(
    sampler: Sampler, walk: Callable[..., Tensor], steps: int, tiny_model: Path
) -> None:
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    features = torch.nn.functional.normalize(torch.randn(2, 10, 16), dim=-1)
    noise = torch.randn(2, *pipeline.latent_shape)
    context = pipeline.embed(features)

    def noise_at(latents: Tensor, time: int) -> Tensor:
        without = pipeline.unet(latents.float(), time, torch.zeros_like(context)).sample
        within = pipeline.unet(latents.float(), time, context).sample
        return (without + 4.5 * (within - without)).double()

    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    expected = walk(noise_at, noise.double(), (1 - betas).cumprod(0), steps)
    latents = pipeline.sample(features, latents=noise, num_inference_steps=steps, sampler=sampler)
    assert torch.allclose(latents.double(), expected, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("sampler", ["ddim", "plms"])
def test_samplers_agree_when_steps_are_many(sampler: Sampler, tiny_model: Path) -> None:
    """They solve one equation, from starts that differ by a step, so what is left is the grid."""
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    features = torch.nn.functional.normalize(torch.randn(1, 10, 16), dim=-1)
    noise = torch.randn(1, *pipeline.latent_shape)
    expected = pipeline.sample(features, latents=noise, num_inference_steps=50, guidance_scale=1.0)
    latents = pipeline.sample(
        features, latents=noise, num_inference_steps=100, guidance_scale=1.0, sampler=sampler
    )
    assert (latents - expected).norm() < 0.05 * expected.norm()


def test_a_step_by_velocity_cannot_be_made_of_noise() -> None:
    scheduler = make_scheduler(build_scheduler(CONFIGS["v_prediction"]).config, "ddim", 5)
    with pytest.raises(ValueError, match="steps by 'v_prediction', which cannot be computed from 'epsilon'"):
        denoise_latents(torch.zeros(1, 4, 2, 2), lambda x, t: x, scheduler, prediction_type="epsilon")


def test_between_training_steps_the_log_of_the_signal_is_linear() -> None:
    scheduler = scheduler_with(5)
    half, one, two = (noise_level(scheduler, torch.tensor(t))[0] for t in (500.5, 500.0, 501.0))
    assert half == pytest.approx((one * two) ** 0.5, rel=1e-9)
    signal, sigma = noise_level(scheduler, torch.tensor(999))
    assert signal**2 + sigma**2 == pytest.approx(1)
    assert signal**2 == pytest.approx(float(scheduler.alphas_cumprod[999]), rel=1e-6)


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        scheduler_with(0)
