"""Guidance formulas: classifier-free, rescaled and adaptive projected guidance."""

from collections.abc import Callable

from torch import Tensor

from cinefoley.pipelines.schedulers import Scheduler, noise_level
from cinefoley.pipelines.settings import SamplingSettings

__all__ = ["Combine", "combine_halves", "is_guided_at"]

Combine = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""``combine(latents, timestep, unconditional, conditional)``: the guided prediction, same shape."""


def is_guided_at(timestep: Tensor, interval: tuple[float, float], num_train_timesteps: int) -> bool:
    """Whether a time lies in the guidance interval, ``start`` included, ``stop`` not.

    Args:
        timestep: Network time, from ``num_train_timesteps - 1`` (noise) to 0.
        interval: Start and stop as fractions of the way from noise to the end.
        num_train_timesteps: Training steps of the noise schedule.
    """
    progress = 1 - float(timestep) / (num_train_timesteps - 1)
    start, stop = interval
    return start - 1e-6 <= progress < stop - 1e-6 or stop == 1 <= progress


def combine_halves(settings: SamplingSettings, scheduler: Scheduler, prediction_type: str) -> Combine:
    """Build the guidance formula of some settings.

    Source: paper, Eq. 4, for plain guidance. Rescaling is Lin et al., WACV 2024, on the prediction.
    Adaptive projected guidance is Sadat et al., ICLR 2025, on the denoised latents. Both use diffusers'
    functions.

    Args:
        settings: Guidance scale and variants.
        scheduler: For its noise levels.
        prediction_type: What the network predicts: ``"epsilon"`` or ``"v_prediction"``.

    Raises:
        ValueError: If adaptive projected guidance is requested for another prediction type.
    """
    scale, rescale = settings.guidance_scale, settings.guidance_rescale
    project = _project(settings, scheduler, prediction_type) if settings.is_projected else None

    def combine(latents: Tensor, timestep: Tensor, unconditional: Tensor, conditional: Tensor) -> Tensor:
        if project is None:
            guided = unconditional + scale * (conditional - unconditional)
        else:
            guided = project(latents, timestep, unconditional, conditional)
        if rescale:
            from diffusers.guiders.guider_utils import rescale_noise_cfg

            guided = rescale_noise_cfg(guided, conditional, guidance_rescale=rescale)
        return guided

    return combine


def _project(settings: SamplingSettings, scheduler: Scheduler, prediction_type: str) -> Combine:
    from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance

    if prediction_type not in ("epsilon", "v_prediction"):
        raise ValueError(f"adaptive projected guidance needs noise or velocity, not {prediction_type!r}")
    is_velocity = prediction_type == "v_prediction"
    momentum = settings.adaptive_projected_guidance_momentum
    buffer = MomentumBuffer(momentum) if momentum else None

    def project(latents: Tensor, timestep: Tensor, unconditional: Tensor, conditional: Tensor) -> Tensor:
        signal, sigma = noise_level(scheduler, timestep)
        # denoised = a * latents - b * prediction
        a, b = (signal, sigma) if is_velocity else (1 / signal, sigma / signal)
        denoised = normalized_guidance(
            a * latents - b * conditional,
            a * latents - b * unconditional,
            settings.guidance_scale,
            buffer,
            settings.adaptive_projected_guidance_eta,
            settings.adaptive_projected_guidance_rescale,
        )
        guided: Tensor = (a * latents - denoised) / b
        return guided

    return project
