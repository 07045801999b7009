"""Audio encoder of CAVP: a convolutional network with one output feature per video frame."""

import math
from collections.abc import Sequence

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["AudioEncoder"]

_TEMPERATURE = 0.07  # initial temperature of contrastive training, as in CLIP


class AudioEncoder(ModelMixin, ConfigMixin):
    """Convolutional blocks over a mel, average over its bands, linear layers per time step.

    Source: Diff-Foley (Luo et al., NeurIPS 2023), the spectrogram tower of CAVP; the network is Cnn14 of Kong
    et al., *PANNs*, IEEE/ACM TASLP 2020, with a fifth block that pools only bands, so that 16 mel frames
    give one feature. The defaults are CAVP's (80.7 M parameters).

    ``logit_scale`` is the logarithm of the inverse temperature of CAVP's contrastive training; it belongs to
    both towers and is stored here. :meth:`forward` does not use it.

    Args:
        n_mels: Bands of the mel.
        channels: Channels of each block.
        time_pools: Time steps that each block averages into one; their product is the time reduction.
        band_pools: Bands that each block averages into one.
        feature_dim: Width D of the features.
        dropout: Share of numbers dropped after each block in training, in [0, 1).

    Raises:
        ValueError: If the three sequences differ in length, or more bands are pooled than the mel has.
    """

    @register_to_config
    def __init__(
        self,
        n_mels: int = 128,
        channels: Sequence[int] = (64, 128, 256, 512, 1024, 2048),
        time_pools: Sequence[int] = (2, 2, 2, 2, 1, 1),
        band_pools: Sequence[int] = (2, 2, 2, 2, 2, 1),
        feature_dim: int = 512,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if math.prod(band_pools) > n_mels:
            raise ValueError(f"band_pools merge {math.prod(band_pools)} bands, but the mel has {n_mels}")
        self.norm = nn.BatchNorm1d(n_mels)
        self.blocks = nn.ModuleList()
        inputs = 1
        for outputs, steps, bands in zip(channels, time_pools, band_pools, strict=True):
            self.blocks.append(_Block(inputs, outputs, pool=(steps, bands)))
            inputs = outputs
        self.hidden = nn.Linear(inputs, inputs)
        self.projection = nn.Linear(inputs, feature_dim)
        for layer in (self.hidden, self.projection):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / _TEMPERATURE)))

    @property
    def time_reduction(self) -> int:
        """Mel frames per feature."""
        return math.prod(self.config.time_pools)

    def forward(self, mel: Tensor, *, normalize: bool = False) -> Tensor:
        """Compute the features of a mel.

        Args:
            mel: ``(B, n_mels, frames)`` in [0, 1]. CAVP was trained on mels of hop 250, 64 frames a second.
            normalize: Divide every feature by its Euclidean norm. Off by default, because clips are
                pooled before they are normalised.

        Returns:
            Features ``(B, frames // time_reduction, D)``.

        Raises:
            ValueError: If ``mel`` is not ``(B, n_mels, frames)``, or too short for one feature.
        """
        if mel.ndim != 3 or mel.shape[1] != self.config.n_mels or mel.shape[2] < self.time_reduction:
            raise ValueError(
                f"mel must be (B, {self.config.n_mels}, {self.time_reduction} or more), "
                f"got {tuple(mel.shape)}"
            )
        maps = self.norm(mel).transpose(1, 2).unsqueeze(1)  # (B, 1, time, bands)
        for block in self.blocks:
            maps = F.dropout(block(maps), self.config.dropout, self.training)
        steps = maps.mean(dim=3)
        blurred = F.max_pool1d(steps, 3, stride=1, padding=1) + F.avg_pool1d(steps, 3, stride=1, padding=1)
        hidden = F.relu(self.hidden(blurred.transpose(1, 2)))
        hidden = F.relu(self.hidden(hidden))  # the same layer twice, as in the training of CAVP
        features = self.projection(hidden)
        return F.normalize(features, dim=-1) if normalize else features


class _Block(nn.Module):
    """Two convolutions on ``(B, C, time, bands)``, then average pooling."""

    def __init__(self, inputs: int, outputs: int, *, pool: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        for conv in (self.conv1, self.conv2):
            nn.init.xavier_uniform_(conv.weight)
        self._pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        maps = F.relu(self.bn1(self.conv1(maps)))
        maps = F.relu(self.bn2(self.conv2(maps)))
        return F.avg_pool2d(maps, self._pool)
