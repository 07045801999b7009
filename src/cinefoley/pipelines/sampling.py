"""diffusers' samplers on Diff-Foley's exact time grids, the loop around them, and reproducible noise."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, PNDMScheduler
from torch import Tensor

from cinefoley.pipelines.denoiser import Denoise
from cinefoley.pipelines.settings import Sampler, check_even_grid

__all__ = [
    "Scheduler",
    "denoise_latents",
    "draw_noise",
    "make_scheduler",
    "noise_level",
    "set_exact_timesteps",
]

Scheduler: TypeAlias = DPMSolverMultistepScheduler | DDIMScheduler | PNDMScheduler


def make_scheduler(config: Any, sampler: Sampler, num_inference_steps: int) -> Scheduler:
    """Build a sampler for a model's noise schedule, ready for its first ``step``.

    Source: Diff-Foley, ``diff_foley/models/diffusion``: DPM-Solver++ as in :func:`set_exact_timesteps`; DDIM
    (eta 0) and PLMS on ``range(0, 1000, 1000 // S) + 1``, whose last step ends at the first training level.

    Args:
        config: The configuration of a diffusers scheduler: schedule and prediction type.
        sampler: PLMS expects noise, whatever the model predicts (:func:`denoise_latents` hands it that); the
            others expect the model's own prediction.
        num_inference_steps: At least 1; for DDIM and PLMS a divisor of the training steps.

    Raises:
        ValueError: If ``num_inference_steps`` does not fit.
    """
    if sampler == "dpm++":
        solver: DPMSolverMultistepScheduler = DPMSolverMultistepScheduler.from_config(config)
        set_exact_timesteps(solver, num_inference_steps)
        return solver
    check_even_grid(sampler, num_inference_steps, config["num_train_timesteps"])
    grid = {"timestep_spacing": "leading", "steps_offset": 1, "set_alpha_to_one": False}
    scheduler: DDIMScheduler | PNDMScheduler
    if sampler == "ddim":
        scheduler = DDIMScheduler.from_config(config, clip_sample=False, **grid)
    else:
        # PLMS extrapolates over past predictions. diffusers 0.42 would mix velocities of several times and
        # read the mixture as one of the present time, which is wrong even for a perfect denoiser.
        scheduler = PNDMScheduler.from_config(config, skip_prk_steps=True, prediction_type="epsilon", **grid)
    scheduler.set_timesteps(num_inference_steps)
    return scheduler


def denoise_latents(
    latents: Tensor,
    denoise: Denoise,
    scheduler: Scheduler,
    *,
    prediction_type: str = "epsilon",
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Walk from noise to latents, one call of ``denoise`` per step.

    Args:
        latents: Noise ``(B, C, h, w)``, on the denoiser's device.
        denoise: Latents and a time ``()`` to the model's prediction.
        scheduler: Its timesteps are set.
        prediction_type: What ``denoise`` predicts, in diffusers' words.
        on_step: Called with the number of finished steps.

    Returns:
        Latents ``(B, C, h, w)``, float32.

    Raises:
        ValueError: If the scheduler expects another prediction that cannot be made from this one.
    """
    expected = scheduler.config.prediction_type
    if (prediction_type, expected) not in {(expected, expected), ("v_prediction", "epsilon")}:
        raise ValueError(
            f"the scheduler steps by {expected!r}, which {prediction_type!r} cannot be turned into"
        )
    latents = latents.float()
    for done, timestep in enumerate(scheduler.timesteps, start=1):
        prediction = denoise(latents, timestep)
        if prediction_type != expected:
            signal, sigma = noise_level(scheduler, timestep)
            prediction = signal * prediction + sigma * latents
        latents = scheduler.step(prediction, timestep, latents).prev_sample
        if on_step is not None:
            on_step(done)
    return latents


def set_exact_timesteps(scheduler: DPMSolverMultistepScheduler, num_inference_steps: int) -> None:
    """Set the grid that Diff-Foley's DPM-Solver walks: uniform in continuous time, never rounded.

    Source: Diff-Foley, ``dpm_solver.py``, skip type ``time_uniform``: t from 1 to 1/1000 in equal steps,
    network time ``(t - 1/1000) * 1000`` (999, 959.04, ... for 25 steps), log alpha linear between the
    training steps. diffusers' own grid rounds the times; that alone moves the latents of the full-size model
    by 5e-2 of a maximum of 63.5.

    Args:
        scheduler: Is changed in place and ready for its first ``step``.
        num_inference_steps: At least 1.

    Raises:
        ValueError: If ``num_inference_steps`` is not positive.
    """
    if num_inference_steps < 1:
        raise ValueError(f"num_inference_steps must be at least 1, got {num_inference_steps}")
    trained = scheduler.config.num_train_timesteps
    scheduler.set_timesteps(num_inference_steps)
    times = torch.linspace(trained - 1, 0, num_inference_steps + 1, dtype=torch.float64)
    alphas_cumprod = _alphas_cumprod_at(scheduler, times)
    scheduler.sigmas = ((1 - alphas_cumprod) / alphas_cumprod).sqrt().float()
    scheduler.timesteps = times[:-1].float()
    scheduler.num_inference_steps = num_inference_steps
    scheduler.set_begin_index(0)


def noise_level(scheduler: Scheduler, timestep: Tensor) -> tuple[float, float]:
    """How much signal and how much noise, ``alpha`` and ``sigma``, there is at a time, whole or not."""
    alphas_cumprod = float(_alphas_cumprod_at(scheduler, timestep.cpu().double()))
    return alphas_cumprod**0.5, (1 - alphas_cumprod) ** 0.5


def draw_noise(shape: tuple[int, ...], *, seed: int, take: int, window: int) -> Tensor:
    """Standard normal noise of one take in one window.

    It is drawn on the CPU from ``(seed, take, window)`` alone: the same take on every device, whatever the
    number of takes or windows beside it.
    """
    state = (seed * 0x9E3779B97F4A7C15 + take * 0xD1B54A32D192ED03 + window * 0x8CB92BA72F3D8DD7) % 2**63
    return torch.randn(shape, generator=torch.Generator().manual_seed(state))


def _alphas_cumprod_at(scheduler: Scheduler, times: Tensor) -> Tensor:
    """Log alpha is linear between training steps; float64, hence on the CPU (MPS has none)."""
    log_alphas = 0.5 * scheduler.alphas_cumprod.cpu().double().log()
    lower = times.floor().long().clamp(max=len(log_alphas) - 2)
    return (2 * torch.lerp(log_alphas[lower], log_alphas[lower + 1], times - lower)).exp()
