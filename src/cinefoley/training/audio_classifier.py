"""The small audio classifier behind the ``lite`` backbone."""

import torch
from torch import Tensor, nn

from cinefoley.metrics.backbones.lite import LiteNet

__all__ = ["AudioClassifierTask"]

_SHORTEST, _LONGEST = 96, 800  # frames of 10 ms: the 0.96 s of a FAD segment, and a whole clip


class AudioClassifierTask:
    """What sounds, told from stretches of any length.

    Args:
        network: The network to train.
        log_mels: ``(N, frames, 64)`` in dB, 10 ms a frame.
        kinds: ``(N, 2)``, both sources' kinds, twice the same if there is one.
        is_heard: ``(N,)`` bool; clips in which nothing sounds are left out.
    """

    def __init__(self, network: LiteNet, log_mels: Tensor, kinds: Tensor, is_heard: Tensor) -> None:
        self.module: nn.Module = network
        self.network = network
        self.log_mels, self.kinds = log_mels, kinds
        self._heard = is_heard.nonzero()[:, 0]

    def loss(self, step: int, generator: torch.Generator, batch_size: int) -> dict[str, Tensor]:
        """Cross-entropy; a stretch in which nothing is heard counts for nothing."""
        index = self._heard[torch.randint(len(self._heard), (batch_size,), generator=generator)]
        length = int(torch.randint(_SHORTEST, _LONGEST // 2, (1,), generator=generator))
        room = self.log_mels.shape[1] - length
        starts = torch.randint(room + 1, (batch_size,), generator=generator).tolist()
        rows = [self.log_mels[i, s : s + length] for i, s in zip(index.tolist(), starts, strict=True)]
        mel = torch.stack(rows).float()
        peak = mel.amax(dim=(1, 2))
        counts = (peak > self.log_mels[index].float().amax(dim=(1, 2)) - 30).float()
        mel = self._augment(mel, generator)
        kinds = self.kinds[index]
        logits = self.network(mel)[1].float()
        picked = logits.log_softmax(dim=-1).gather(1, kinds).mean(dim=1)
        hit = (logits.argmax(1, keepdim=True) == kinds).any(1).float()
        total = counts.sum().clamp(min=1)
        return {"loss": -(picked * counts).sum() / total, "accuracy": (hit * counts).sum() / total}

    @staticmethod
    def _augment(mel: Tensor, generator: torch.Generator) -> Tensor:
        """Another level, a bed of noise between -90 and -45 dB, and a masked band."""
        count, _, bands = mel.shape
        mel = mel + 12 * (torch.rand(count, 1, 1, generator=generator) - 0.5)
        bed = -90 + 45 * torch.rand(count, 1, 1, generator=generator)
        mel = torch.maximum(mel, bed + 4 * torch.randn(mel.shape, generator=generator))
        first = torch.randint(bands, (count, 1), generator=generator)
        width = torch.randint(9, (count, 1), generator=generator)
        band = torch.arange(bands)
        masked = (band >= first) & (band < first + width)
        return torch.where(masked[:, None], mel.amin(dim=(1, 2), keepdim=True), mel)
