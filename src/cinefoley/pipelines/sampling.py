"""Sampling loop: denoise latents step by step, and draw the reproducible noise that it starts from."""

from collections.abc import Callable

import torch
from torch import Tensor

from cinefoley.pipelines.denoiser import Denoise
from cinefoley.pipelines.schedulers import Scheduler, noise_level

__all__ = ["denoise_latents", "draw_noise"]


def denoise_latents(
    latents: Tensor,
    denoise: Denoise,
    scheduler: Scheduler,
    *,
    prediction_type: str = "epsilon",
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Denoise latents, one call of ``denoise`` per step.

    Args:
        latents: Noise ``(B, C, h, w)``, on the denoiser's device.
        denoise: Latents and a time ``()`` to the model's prediction.
        scheduler: With its timesteps set.
        prediction_type: What ``denoise`` predicts: a diffusers prediction type.
        on_step: Called with the number of finished steps.

    Returns:
        Latents ``(B, C, h, w)``, float32.

    Raises:
        ValueError: If the scheduler expects a prediction that cannot be computed from this one.
    """
    expected = scheduler.config.prediction_type
    if (prediction_type, expected) not in {(expected, expected), ("v_prediction", "epsilon")}:
        raise ValueError(
            f"the scheduler steps by {expected!r}, which cannot be computed from {prediction_type!r}"
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


def draw_noise(shape: tuple[int, ...], *, seed: int, take: int, window: int) -> Tensor:
    """Standard normal noise of one take in one window.

    Drawn on the CPU from ``(seed, take, window)`` alone, so a take is the same on every device and
    for any number of takes and windows.
    """
    state = (seed * 0x9E3779B97F4A7C15 + take * 0xD1B54A32D192ED03 + window * 0x8CB92BA72F3D8DD7) % 2**63
    return torch.randn(shape, generator=torch.Generator().manual_seed(state))
