"""The mel autoencoder."""

import copy
from typing import Self

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from cinefoley.config.mel import MelConfig
from cinefoley.training.task import Batch, Sample, Task

__all__ = ["AutoencoderTask"]


class AutoencoderTask(Task):
    """Reconstruction of random stretches of mel, latents pulled a little towards a normal distribution.

    Args:
        autoencoder: The network to train.
        mels: Training mels ``(N, n_mels, frames)`` in [0, 1].
        crop_frames: Length of the stretches; a multiple of the autoencoder's factor.
        kl_weight: Weight of the divergence per latent element.
        mel_config: The mels' front-end, with which samples are made to hear; None makes none.
    """

    name = "autoencoder"

    def __init__(
        self,
        autoencoder: AutoencoderKL,
        mels: Tensor,
        *,
        crop_frames: int = 128,
        kl_weight: float = 2e-4,
        mel_config: MelConfig | None = None,
    ) -> None:
        self.module = self.autoencoder = autoencoder
        self.mels = mels
        self.crop_frames = crop_frames
        self.kl_weight = kl_weight
        self.mel_config = mel_config

    @property
    def settings(self) -> dict[str, object]:
        """Length of the stretches and weight of the divergence."""
        return {"crop_frames": self.crop_frames, "kl_weight": self.kl_weight}

    def on(self, mels: Tensor) -> Self:
        """The same on other clips."""
        other = copy.copy(self)
        other.mels = mels
        return other

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose mels, stretches, and the noise of the latents."""
        config = self.autoencoder.config
        factor = 2 ** (len(config.block_out_channels) - 1)
        size = (config.latent_channels, self.mels.shape[1] // factor, self.crop_frames // factor)
        last = self.mels.shape[-1] - self.crop_frames
        return {
            "index": torch.randint(len(self.mels), (batch_size,), generator=generator),
            "start": torch.randint(last + 1, (batch_size,), generator=generator),
            "noise": torch.randn((batch_size, *size), generator=generator),
        }

    def load(self, rows: Batch) -> Batch:
        """Cut the stretches out, ``(B, 1, n_mels, crop_frames)``."""
        chosen = zip(rows["index"].tolist(), rows["start"].tolist(), strict=True)
        crops = [self.mels[row, :, start : start + self.crop_frames].float() for row, start in chosen]
        return {"crops": torch.stack(crops)[:, None], "noise": rows["noise"]}

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Mean absolute error, and the Kullback-Leibler divergence of the posterior."""
        pictures = batch["crops"].expand(-1, self.autoencoder.config.in_channels, -1, -1)
        posterior = self.autoencoder.encode(pictures).latent_dist
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        rebuilt = self.autoencoder.decode(mean + (0.5 * logvar).exp() * batch["noise"]).sample.float()
        error = F.l1_loss(rebuilt, pictures)
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        return {"loss": error + self.kl_weight * kl, "l1": error, "kl": kl}

    def samples(self) -> list[Sample]:
        """Two whole mels as they are and rebuilt: held-out ones where there are any."""
        if self.mel_config is None:
            return []
        mels = self.held_out.mels if isinstance(self.held_out, AutoencoderTask) else self.mels
        count = min(2, len(mels))
        originals = torch.stack([mels[row].float() for row in range(count)])
        device = next(self.module.parameters()).device
        pictures = originals[:, None].to(device).expand(-1, self.autoencoder.config.in_channels, -1, -1)
        rebuilt = self.autoencoder.decode(self.autoencoder.encode(pictures).latent_dist.mean).sample[:, 0]
        named = {"original": originals, "rebuilt": rebuilt}
        return [
            Sample(name=f"{row}-{name}", mel=several[row], config=self.mel_config)
            for row in range(count)
            for name, several in named.items()
        ]
