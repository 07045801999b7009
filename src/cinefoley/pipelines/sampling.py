"""The sampling loop, Diff-Foley's exact time grid, and reproducible noise."""

from collections.abc import Callable

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

__all__ = ["denoise_latents", "draw_noise", "set_exact_timesteps"]


def denoise_latents(
    latents: Tensor,
    denoise: Callable[[Tensor, Tensor], Tensor],
    scheduler: DPMSolverMultistepScheduler,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Walk from noise to latents, one call of ``denoise`` per step.

    Args:
        latents: Noise ``(B, C, h, w)``, on the denoiser's device.
        denoise: Latents and a time ``()`` to the prediction that the scheduler expects.
        scheduler: Its timesteps are set.
        on_step: Called with the number of finished steps.

    Returns:
        Latents ``(B, C, h, w)``, float32.
    """
    latents = latents.float()
    for done, timestep in enumerate(scheduler.timesteps, start=1):
        latents = scheduler.step(denoise(latents, timestep), timestep, latents).prev_sample
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
    log_alphas = 0.5 * scheduler.alphas_cumprod.double().log()
    lower = times.floor().long().clamp(max=trained - 2)
    log_alpha = torch.lerp(log_alphas[lower], log_alphas[lower + 1], times - lower)
    alphas_cumprod = (2 * log_alpha).exp()
    scheduler.sigmas = ((1 - alphas_cumprod) / alphas_cumprod).sqrt().float()
    scheduler.timesteps = times[:-1].float()
    scheduler.num_inference_steps = num_inference_steps
    scheduler.set_begin_index(0)


def draw_noise(shape: tuple[int, ...], *, seed: int, take: int, window: int) -> Tensor:
    """Standard normal noise of one take in one window.

    It is drawn on the CPU from ``(seed, take, window)`` alone: the same take on every device, whatever the
    number of takes or windows beside it.
    """
    state = (seed * 0x9E3779B97F4A7C15 + take * 0xD1B54A32D192ED03 + window * 0x8CB92BA72F3D8DD7) % 2**63
    return torch.randn(shape, generator=torch.Generator().manual_seed(state))
