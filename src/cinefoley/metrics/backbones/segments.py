"""Apply a backbone to segments of 0.96 s, for FAD without VGGish."""

import torch
from torch import Tensor

from cinefoley.metrics.backbones.protocol import Backbone, Embedding, check_waveform

__all__ = ["SegmentBackbone"]

_SEGMENT_S = 0.96


class SegmentBackbone:
    """Applies a backbone to segments of 0.96 s, the length of VGGish's: one row of features per segment.

    Without VGGish's weights, it gives a Fréchet distance of the same construction. Its numbers have the
    name of the other backbone and are not comparable with any others.

    Args:
        backbone: Backbone to apply to each segment.
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
