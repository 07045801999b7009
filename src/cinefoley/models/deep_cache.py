"""DeepCache for the denoiser: reuse the deep features of the UNet between neighbouring steps."""

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

__all__ = ["DeepCacheUNet"]


class DeepCacheUNet:
    """Runs the full UNet at every ``interval``-th call, and only its outermost level at the other calls.

    At the other calls, only the outermost down block and up block are computed. The up block gets the cached
    deep features of the last full call.

    Source: Ma, Fang, Wang: *DeepCache*, CVPR 2024, with the skip branch at the outermost level. diffusers'
    caches do not support ``UNet2DConditionModel``, and the ``DeepCache`` package patches Stable Diffusion's
    pipelines.

    Args:
        unet: A UNet without class or added embeddings, of two levels or more.
        interval: Number of calls from one full call to the next; 1 makes every call a full one.

    Raises:
        ValueError: If ``interval`` is below 1, or the UNet has only one level.
    """

    def __init__(self, unet: UNet2DConditionModel, interval: int) -> None:
        if interval < 1:
            raise ValueError(f"interval must be at least 1, got {interval}")
        if len(unet.up_blocks) < 2:
            raise ValueError("DeepCache needs a UNet of two levels or more")
        self._unet = unet
        self._interval = interval
        self._calls = 0
        self._deep: Tensor | None = None

    @torch.no_grad()
    def __call__(self, latents: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        """Predict for latents ``(B, C, h, w)`` at one time ``()``, with context ``(B, T, D)``.

        A call with fewer rows than the last full call reuses the last rows of the cache: the conditional
        half. A call with more rows is always a full one.
        """
        deep, position = self._deep, self._calls % self._interval
        self._calls += 1
        if position and deep is not None and len(deep) >= len(latents):
            return self._outermost_level(latents, timestep, context, deep[-len(latents) :])
        self._calls = 1  # counted from the last full call
        hook = self._unet.up_blocks[-2].register_forward_hook(self._store)
        try:
            prediction: Tensor = self._unet(latents, timestep, context).sample
        finally:
            hook.remove()
        return prediction

    def _store(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._deep = output

    def _outermost_level(self, latents: Tensor, timestep: Tensor, context: Tensor, deep: Tensor) -> Tensor:
        unet = self._unet
        embedding = unet.time_embedding(unet.get_time_embed(sample=latents, timestep=timestep))
        first = unet.conv_in(latents)
        down, up = unet.down_blocks[0], unet.up_blocks[-1]
        _, residuals = down(first, embedding, **_attended(down, context))
        skips = (first, *residuals)[: len(up.resnets)]
        hidden = up(deep, skips, embedding, **_attended(up, context))
        prediction: Tensor = unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))
        return prediction


def _attended(block: nn.Module, context: Tensor) -> dict[str, Tensor]:
    has_attention = getattr(block, "has_cross_attention", False)
    return {"encoder_hidden_states": context} if has_attention else {}
