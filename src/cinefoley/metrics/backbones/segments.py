"""Backbone on segments of 0.96 s, for FAD without VGGish."""

import torch
from torch import Tensor

from cinefoley.metrics.backbones.protocol import Backbone, Embedding, check_waveform

__all__ = ["SegmentBackbone"]

_SEGMENT_S = 0.96


class SegmentBackbone:
    """Another backbone on segments of 0.96 s, VGGish's: one row of features for each.

    Without VGGish's weights, it gives a Fréchet distance of the same construction. Its numbers
    carry the other backbone's name and compare with nothing else.

    Args:
        backbone: Network for each segment.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.name = f"{backbone.name}-segments"
        self.digest = backbone.digest
        self.sample_rate = backbone.sample_rate
        self._backbone = backbone

    def embed(self, waveform: Tensor, sample_rate: int) -> Embedding:
        """Embed every whole segment: features ``(S, D)``, no logits.

        Raises:
            ValueError: If the waveform is not ``(N,)``, shorter than a segment, or not finite.
        """
        length = round(_SEGMENT_S * sample_rate)
        checked = check_waveform(self.name, waveform, at_least=length, sample_rate=sample_rate)
        segments = checked.unfold(0, length, length)
        rows = [self._backbone.embed(segment, sample_rate).features for segment in segments]
        return Embedding(torch.stack(rows), None)
