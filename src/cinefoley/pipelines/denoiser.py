"""Classifier-free guidance: call the denoiser once per step for both halves, and combine them."""

from collections.abc import Callable
from functools import partial

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from cinefoley.models.deep_cache import DeepCacheUNet
from cinefoley.pipelines.guidance import Combine, combine_halves, is_guided_at
from cinefoley.pipelines.schedulers import Scheduler
from cinefoley.pipelines.settings import SamplingSettings

__all__ = ["Denoise", "GuidedDenoiser", "Predict", "guided_denoiser", "predict_with"]

Denoise = Callable[[Tensor, Tensor], Tensor]
"""``denoise(latents, timestep)`` maps ``(B, C, h, w)`` float32 and one time ``()`` to the guided prediction,
noise or velocity, of the same shape."""

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``predict(latents, timestep, context)``: latents ``(B, C, h, w)`` float32, one time ``()`` for all of them,
and context ``(B, T, D)`` to the network's prediction ``(B, C, h, w)``, float32."""


def predict_with(unet: UNet2DConditionModel, *, cache_interval: int = 1) -> Predict:
    """Wrap diffusers' module: converts to the dtype of its weights and to channels-last layout.

    Args:
        unet: The denoiser.
        cache_interval: Calls from one whole evaluation to the next, as in :class:`DeepCacheUNet`.
    """
    weight = next(unet.parameters())
    cached = DeepCacheUNet(unet, cache_interval) if cache_interval > 1 else None

    def predict(latents: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        latents = latents.to(weight.dtype).contiguous(memory_format=torch.channels_last)
        timestep = timestep.to(weight.device)
        if cached is not None:
            return cached(latents, timestep, context).float()
        prediction: Tensor = unet(latents, timestep, context).sample
        return prediction.float()

    return predict


class GuidedDenoiser:
    """The network's prediction with classifier-free guidance.

    Both halves go through the network in one call, the unconditional first; outside the interval only the
    conditional half does. The context is the same tensor in every call of one kind.

    Args:
        predict: The network.
        context: Context of the videos, ``(B, T, D)``.
        null_context: Context of the unconditional half, same shape; None turns guidance off.
        combine: Guidance formula of the two halves.
        is_guided: Whether to guide at a time ``()``; None guides at every time.
    """

    def __init__(
        self,
        predict: Predict,
        context: Tensor,
        *,
        null_context: Tensor | None = None,
        combine: Combine | None = None,
        is_guided: Callable[[Tensor], bool] | None = None,
    ) -> None:
        if (null_context is None) != (combine is None):
            raise ValueError("guidance needs both a null_context and a formula")
        self._predict = predict
        self._context = context
        self._both = None if null_context is None else torch.cat([null_context, context])
        self._combine = combine
        self._is_guided = is_guided

    def __call__(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Predict for latents ``(B, C, h, w)`` at one time ``()``; same shape, float32."""
        if self._both is None or self._combine is None:
            return self._predict(latents, timestep, self._context)
        if self._is_guided is not None and not self._is_guided(timestep):
            return self._predict(latents, timestep, self._context)
        both = self._predict(torch.cat([latents, latents]), timestep, self._both)
        unconditional, conditional = both.chunk(2)
        return self._combine(latents, timestep, unconditional, conditional)


def guided_denoiser(
    unet: UNet2DConditionModel,
    context: Tensor,
    null_context: Tensor | None,
    scheduler: Scheduler,
    settings: SamplingSettings,
    *,
    prediction_type: str,
) -> GuidedDenoiser:
    """Build the denoiser of some sampling settings.

    Args:
        unet: The denoiser.
        context: Context of the videos, ``(B, T, D)``.
        null_context: Context of the unconditional half, same shape; None if the guidance scale is 1.
        scheduler: For its noise levels.
        settings: Guidance, and how often the whole network is evaluated.
        prediction_type: What the network predicts.
    """
    predict = predict_with(unet, cache_interval=settings.cache_interval)
    if null_context is None:
        return GuidedDenoiser(predict, context.to(unet.dtype))
    return GuidedDenoiser(
        predict,
        context.to(unet.dtype),
        null_context=null_context.to(unet.dtype),
        combine=combine_halves(settings, scheduler, prediction_type),
        is_guided=partial(
            is_guided_at,
            interval=settings.guidance_interval,
            num_train_timesteps=scheduler.config.num_train_timesteps,
        ),
    )
