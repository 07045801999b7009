"""Noise schedulers: diffusers' samplers on Diff-Foley's exact time grids."""

from typing import Any, TypeAlias

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from cinefoley.pipelines.settings import Sampler, check_even_grid

__all__ = ["Scheduler", "make_scheduler", "noise_level", "set_exact_timesteps"]

MultistepScheduler: TypeAlias = DPMSolverMultistepScheduler | UniPCMultistepScheduler
Scheduler: TypeAlias = MultistepScheduler | DDIMScheduler | PNDMScheduler

_KARRAS_RHO = 7.0
_SHARED = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type")


def make_scheduler(
    config: Any, sampler: Sampler, num_inference_steps: int, *, use_karras_sigmas: bool = False
) -> Scheduler:
    """Build a sampler for a model's noise schedule, ready for its first ``step``.

    Source: Diff-Foley, ``diff_foley/models/diffusion``: DPM-Solver++ as in :func:`set_exact_timesteps`; DDIM
    (eta 0) and PLMS on ``range(0, 1000, 1000 // S) + 1``, whose last step ends at the first training level.
    UniPC (Zhao et al., NeurIPS 2023) is of order 2 on the grid of DPM-Solver++.

    Args:
        config: Configuration of a diffusers scheduler: schedule and prediction type.
        sampler: PLMS expects noise predictions, whatever the model predicts (``denoise_latents`` converts
            them); the others expect the model's own prediction.
        num_inference_steps: At least 1; for DDIM and PLMS a divisor of the training steps.
        use_karras_sigmas: Noise levels of Karras et al. instead of equal steps in time; for DPM-Solver++ and
            UniPC.

    Raises:
        ValueError: If ``num_inference_steps`` does not fit.
    """
    if sampler in ("dpm++", "unipc"):
        solver: MultistepScheduler
        if sampler == "dpm++":
            solver = DPMSolverMultistepScheduler.from_config(config)
        else:
            shared = {name: config[name] for name in _SHARED}
            solver = UniPCMultistepScheduler(**shared, solver_order=2, final_sigmas_type="sigma_min")
        set_exact_timesteps(solver, num_inference_steps, use_karras_sigmas=use_karras_sigmas)
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


def set_exact_timesteps(
    scheduler: MultistepScheduler, num_inference_steps: int, *, use_karras_sigmas: bool = False
) -> None:
    """Set the grid of Diff-Foley's DPM-Solver: uniform in continuous time, not rounded.

    Source: Diff-Foley, ``dpm_solver.py``, skip type ``time_uniform``: t from 1 to 1/1000 in equal steps,
    network time ``(t - 1/1000) * 1000`` (999, 959.04, ... for 25 steps), log alpha linear between the
    training steps. diffusers' own grid rounds the times; that alone moves the latents of the full-size model
    by 5e-2 of a maximum of 63.5.

    Args:
        scheduler: Changed in place, ready for its first ``step``.
        num_inference_steps: At least 1.
        use_karras_sigmas: Space the noise levels as by Karras et al. (rho 7) between the same ends.

    Raises:
        ValueError: If ``num_inference_steps`` is not positive.
    """
    if num_inference_steps < 1:
        raise ValueError(f"num_inference_steps must be at least 1, got {num_inference_steps}")
    trained = scheduler.config.num_train_timesteps
    scheduler.set_timesteps(num_inference_steps)
    times = torch.linspace(trained - 1, 0, num_inference_steps + 1, dtype=torch.float64)
    if use_karras_sigmas:
        times = _karras_times(scheduler, num_inference_steps)
    scheduler.sigmas = _sigmas_at(scheduler, times).float()
    scheduler.timesteps = times[:-1].float()
    scheduler.num_inference_steps = num_inference_steps
    scheduler.set_begin_index(0)


def _karras_times(scheduler: MultistepScheduler, num_inference_steps: int) -> Tensor:
    dense = torch.arange(scheduler.config.num_train_timesteps, dtype=torch.float64)
    sigmas = _sigmas_at(scheduler, dense)
    ramp = torch.linspace(0, 1, num_inference_steps + 1, dtype=torch.float64)
    ends = (sigmas[-1] ** (1 / _KARRAS_RHO), sigmas[0] ** (1 / _KARRAS_RHO))
    wanted = (ends[0] + ramp * (ends[1] - ends[0])) ** _KARRAS_RHO
    times = torch.from_numpy(np.interp(wanted.log().numpy(), sigmas.log().numpy(), dense.numpy()))
    times[0], times[-1] = dense[-1], dense[0]  # rounding must not leave the schedule
    return times


def noise_level(scheduler: Scheduler, timestep: Tensor) -> tuple[float, float]:
    """Share of signal and of noise, ``alpha`` and ``sigma``, at a time, which may be fractional."""
    alphas_cumprod = float(_alphas_cumprod_at(scheduler, timestep.cpu().double()))
    return alphas_cumprod**0.5, (1 - alphas_cumprod) ** 0.5


def _alphas_cumprod_at(scheduler: Scheduler, times: Tensor) -> Tensor:
    """Log alpha is linear between training steps; float64, hence on the CPU (MPS has none)."""
    log_alphas = 0.5 * scheduler.alphas_cumprod.cpu().double().log()
    lower = times.floor().long().clamp(max=len(log_alphas) - 2)
    return (2 * torch.lerp(log_alphas[lower], log_alphas[lower + 1], times - lower)).exp()


def _sigmas_at(scheduler: Scheduler, times: Tensor) -> Tensor:
    alphas_cumprod = _alphas_cumprod_at(scheduler, times)
    return ((1 - alphas_cumprod) / alphas_cumprod).sqrt()
