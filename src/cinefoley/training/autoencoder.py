"""The mel autoencoder."""

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["AutoencoderTask"]


class AutoencoderTask:
    """Reconstruction of random stretches of mel, latents pulled a little towards a normal distribution.

    Args:
        autoencoder: The network to train.
        mels: Training mels ``(N, n_mels, frames)`` in [0, 1].
        crop_frames: Length of the stretches; a multiple of the autoencoder's factor.
        kl_weight: Weight of the divergence per latent element.
    """

    def __init__(
        self, autoencoder: AutoencoderKL, mels: Tensor, *, crop_frames: int = 128, kl_weight: float = 2e-4
    ) -> None:
        self.module: nn.Module = autoencoder
        self.autoencoder = autoencoder
        self.mels = mels
        self.crop_frames = crop_frames
        self.kl_weight = kl_weight

    def loss(self, step: int, generator: torch.Generator, batch_size: int) -> dict[str, Tensor]:
        """Mean absolute error, and the Kullback-Leibler divergence of the posterior."""
        crops = self._crops(generator, batch_size)
        pictures = crops.expand(-1, self.autoencoder.config.in_channels, -1, -1)
        posterior = self.autoencoder.encode(pictures).latent_dist
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        latents = mean + (0.5 * logvar).exp() * torch.randn(mean.shape, generator=generator)
        rebuilt = self.autoencoder.decode(latents).sample.float()
        error = F.l1_loss(rebuilt, pictures)
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        return {"loss": error + self.kl_weight * kl, "l1": error, "kl": kl}

    def _crops(self, generator: torch.Generator, batch_size: int) -> Tensor:
        index = torch.randint(len(self.mels), (batch_size,), generator=generator)
        starts = torch.randint(self.mels.shape[-1] - self.crop_frames + 1, (batch_size,), generator=generator)
        chosen = zip(index.tolist(), starts.tolist(), strict=True)
        rows = [self.mels[row, :, start : start + self.crop_frames].float() for row, start in chosen]
        return torch.stack(rows)[:, None]
