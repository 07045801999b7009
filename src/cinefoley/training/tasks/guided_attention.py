"""Guided attention: a loss that ties the denoiser's cross-attention to the video frames of the same time.

A UNet has no position encoding: it can infer that column 17 of the latents belongs to frame 8 only from the
zeros at the borders of its convolutions. From nothing, and with few steps, it does not learn that, so this
loss trains it directly.
"""

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor

__all__ = ["GuidedAttention"]


class GuidedAttention:
    """Attention processors that record how much of the attention falls on the frames of the same time.

    Source: Tachibana et al., *Efficiently trainable text-to-speech system based on deep convolutional
    networks with guided attention*, ICASSP 2018.
    Reading: their penalty grows with the distance from the diagonal; ours is the negative log-likelihood of a
    column's own frames, which is as strong for a column that is far off as for one that is nearly right. Only
    half of the heads are guided, and only in the middle and up blocks, which can know each column's position.

    Args:
        denoiser: The denoiser whose attention processors are replaced.
    """

    def __init__(self, denoiser: UNet2DConditionModel) -> None:
        self._losses: list[Tensor] = []
        processors: dict[str, _Processor] = {}
        for name in denoiser.attn_processors:
            is_guided = "attn2" in name and not name.startswith("down_blocks")
            processors[name] = _Processor(self._losses if is_guided else None)
        denoiser.set_attn_processor(processors)

    def loss(self) -> Tensor:
        """Mean loss of the guided layers since the last call; 0 if columns attend only to their frames."""
        losses = torch.stack(self._losses)
        self._losses.clear()
        return losses.mean()


class _Processor:
    def __init__(self, losses: list[Tensor] | None) -> None:
        self._losses = losses

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))
        key = attn.head_to_batch_dim(attn.to_k(context))
        value = attn.head_to_batch_dim(attn.to_v(context))
        probabilities = attn.get_attention_scores(query, key, attention_mask)
        if self._losses is not None and torch.is_grad_enabled():
            self._losses.append(_off_time(probabilities, heads=attn.heads))
        mixed = attn.batch_to_head_dim(torch.bmm(probabilities, value))
        return attn.to_out[1](attn.to_out[0](mixed))


def _off_time(probabilities: Tensor, *, heads: int) -> Tensor:
    """Negative log-likelihood of each column's own frames, for the first half of the heads.

    Args:
        probabilities: ``(B * heads, rows * columns, frames)``; latents are four times as wide as high.
        heads: Attention heads.
    """
    frames = probabilities.shape[-1]
    columns = round((4 * probabilities.shape[1]) ** 0.5)
    guided = probabilities.float().unflatten(0, (-1, heads))[:, : max(1, heads // 2)]
    own = (guided.unflatten(2, (-1, columns)) * _belongs(columns, frames).to(guided.device)).sum(dim=-1)
    return -own.clamp(min=1e-6).log().mean()


def _belongs(columns: int, frames: int) -> Tensor:
    """Which frames overlap each column in time, ``(columns, frames)`` bool; one frame if there are few."""
    column, frame = torch.arange(columns), torch.arange(frames)
    in_column = column[:, None] == frame[None] * columns // frames
    return in_column | (column[:, None] * frames // columns == frame[None])
