"""Teaching the denoiser's cross-attention where in time it is.

A UNet has no positions: that column 17 of the latents belongs to frame 8 it can only work out from the
zeros around its convolutions' borders. From nothing, with few steps, it does not. Guided attention asks for
it outright.
"""

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor

__all__ = ["GuidedAttention"]


class GuidedAttention:
    """Plain attention that remembers how much of it looks at its own moment.

    Source: Tachibana et al., *Efficiently trainable text-to-speech system based on deep convolutional
    networks with guided attention*, ICASSP 2018.
    Reading: their penalty grows with the distance from the diagonal; ours is the negative log-likelihood of a
    column's own frames, which a column far off feels as strongly as one nearly right. Only half of the heads
    are guided, and only in the middle and on the way up, where every column can know its place.

    Args:
        denoiser: Its attention layers get their processors replaced.
    """

    def __init__(self, denoiser: UNet2DConditionModel) -> None:
        self._losses: list[Tensor] = []
        processors: dict[str, _Processor] = {}
        for name in denoiser.attn_processors:
            is_guided = "attn2" in name and not name.startswith("down_blocks")
            processors[name] = _Processor(self._losses if is_guided else None)
        denoiser.set_attn_processor(processors)

    def loss(self) -> Tensor:
        """Mean over the guided layers since the last call; 0 if columns look at their own frames only."""
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
    """Which frames share time with each column, ``(columns, frames)``; one, where there are few frames."""
    column, frame = torch.arange(columns), torch.arange(frames)
    in_column = column[:, None] == frame[None] * columns // frames
    return in_column | (column[:, None] * frames // columns == frame[None])
