"""Network backbone: what all backbones do around their networks: resample, check, run without gradients."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from cinefoley.metrics.backbones.protocol import Embedding, check_waveform
from cinefoley.metrics.backbones.resampling import resample

__all__ = ["NetworkBackbone"]


class NetworkBackbone(ABC):
    """Base of the backbones: a network behind a front-end of its own.

    Args:
        network: In evaluation mode.
        digest: SHA-256 of its weights.
        device: Device that the network runs on.
    """

    name: str
    sample_rate: int
    shortest: int
    """Samples that the network needs."""

    def __init__(self, network: nn.Module, digest: str, *, device: torch.device | str) -> None:
        self._network: Any = network.to(device)
        self.digest = digest
        self._device = torch.device(device)

    @torch.inference_mode()
    def embed(self, waveform: Tensor, sample_rate: int) -> Embedding:
        """Embed one clip.

        Raises:
            ValueError: If it is not ``(N,)``, shorter than ``shortest``, or not finite.
        """
        resampled = resample(torch.as_tensor(waveform).float(), sample_rate, self.sample_rate)
        return self._embed(
            check_waveform(self.name, resampled, at_least=self.shortest, sample_rate=self.sample_rate)
        )

    @abstractmethod
    def _embed(self, waveform: Tensor) -> Embedding:
        """Embed ``(N,)`` at the network's rate, N >= ``shortest``, on the CPU."""
