"""Classifier-free guidance: call the denoiser once per step for both halves, and combine them."""

from collections.abc import Callable

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

__all__ = ["Denoise", "GuidedDenoiser", "Predict", "predict_with"]

Denoise = Callable[[Tensor, Tensor], Tensor]
"""``denoise(latents, timestep)`` maps ``(B, C, h, w)`` float32 and one time ``()`` to the guided prediction,
noise or velocity, of the same shape."""

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``predict(latents, timestep, context)``: latents ``(B, C, h, w)`` float32, one time ``()`` for all of them,
and context ``(B, T, D)`` to the network's prediction ``(B, C, h, w)``, float32."""


def predict_with(unet: UNet2DConditionModel) -> Predict:
    """Wrap diffusers' module: converts to the dtype of its weights and to channels-last layout."""
    weight = next(unet.parameters())

    def predict(latents: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        latents = latents.to(weight.dtype).contiguous(memory_format=torch.channels_last)
        prediction: Tensor = unet(latents, timestep.to(weight.device), context).sample
        return prediction.float()

    return predict


class GuidedDenoiser:
    """The network's prediction with classifier-free guidance.

    Source: paper, Eq. 4, ``w eps(c) + (1 - w) eps(null)``. Both halves go through the network in one call,
    the unconditional first; the context is the same tensor in every call.

    Args:
        predict: The network.
        context: Context of the videos, ``(B, T, D)``.
        null_context: Context of the unconditional half, same shape; None turns guidance off.
        guidance_scale: ``w``; unused without ``null_context``.
    """

    def __init__(
        self,
        predict: Predict,
        context: Tensor,
        *,
        null_context: Tensor | None = None,
        guidance_scale: float = 1.0,
    ) -> None:
        self._predict = predict
        self._is_guided = null_context is not None
        self._context = context if null_context is None else torch.cat([null_context, context])
        self._guidance_scale = guidance_scale

    def __call__(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Predict for latents ``(B, C, h, w)`` at one time ``()``; same shape, float32."""
        if not self._is_guided:
            return self._predict(latents, timestep, self._context)
        both = self._predict(torch.cat([latents, latents]), timestep, self._context)
        unconditional, conditional = both.chunk(2)
        return unconditional + self._guidance_scale * (conditional - unconditional)
