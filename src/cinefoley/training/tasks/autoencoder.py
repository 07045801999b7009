"""Autoencoder task: reconstruction of random crops of mel spectrograms."""

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from cinefoley.config.mel import MelConfig
from cinefoley.training.engine.task import Batch, Sample, Task

__all__ = ["AutoencoderTask"]

_AUDIBLE = 0.02
"""Of a mel in [0, 1]: 2 dB above the floor of a range of 100 dB."""


class AutoencoderTask(Task):
    """Absolute error of the reconstruction of random crops, and a small KL divergence of the latents.

    Most of a plain absolute error is about silence, and a short training on it blurs what is rare: decays,
    partials, the grain of noise. Three options weight what is audible; the defaults do not.

    Args:
        autoencoder: The network to train.
        mels: Training mels ``(N, n_mels, frames)`` in [0, 1].
        crop_frames: Mel frames of the crops; a multiple of the autoencoder's downsampling factor.
        kl_weight: Weight of the divergence per latent element.
        choices: Crops drawn per sample, of which the loudest is used; at least 1.
        audible_weight: Weight of an error where anything is audible within two bands and frames.
        slope_weight: Weight of the absolute error of the slopes along time and pitch.
        mel_config: Front-end of the mels, for audio samples; None makes none.
    """

    name = "autoencoder"

    def __init__(
        self,
        autoencoder: AutoencoderKL,
        mels: Tensor,
        *,
        crop_frames: int = 128,
        kl_weight: float = 2e-4,
        choices: int = 1,
        audible_weight: float = 1.0,
        slope_weight: float = 0.0,
        mel_config: MelConfig | None = None,
    ) -> None:
        self.module = self.autoencoder = autoencoder
        self.mels = mels
        self.crop_frames = crop_frames
        self.kl_weight = kl_weight
        self.choices = choices
        self.audible_weight = audible_weight
        self.slope_weight = slope_weight
        self.mel_config = mel_config

    @property
    def settings(self) -> dict[str, object]:
        """Length and choice of the crops, and the weights."""
        return {
            "crop_frames": self.crop_frames,
            "kl_weight": self.kl_weight,
            "choices": self.choices,
            "audible_weight": self.audible_weight,
            "slope_weight": self.slope_weight,
        }

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose mels, crops, and the noise of the latents."""
        config = self.autoencoder.config
        factor = 2 ** (len(config.block_out_channels) - 1)
        size = (config.latent_channels, self.mels.shape[1] // factor, self.crop_frames // factor)
        last = self.mels.shape[-1] - self.crop_frames
        return {
            "index": self.choose(step, generator, batch_size, count=len(self.mels)),
            "start": torch.randint(last + 1, (batch_size, self.choices), generator=generator),
            "noise": torch.randn((batch_size, *size), generator=generator),
        }

    def load(self, rows: Batch) -> Batch:
        """Cut the crops out, ``(B, 1, n_mels, crop_frames)``."""
        crops = []
        for row, starts in zip(rows["index"].tolist(), rows["start"].tolist(), strict=True):
            several = [self.mels[row, :, start : start + self.crop_frames].float() for start in starts]
            crops.append(max(several, key=lambda crop: float(crop.mean())))
        return {"crops": torch.stack(crops)[:, None], "noise": rows["noise"]}

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Absolute errors of the mel and of its slopes, and the KL divergence of the posterior."""
        images = batch["crops"].expand(-1, self.autoencoder.config.in_channels, -1, -1)
        posterior = self.autoencoder.encode(images).latent_dist
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        rebuilt = self.autoencoder.decode(mean + (0.5 * logvar).exp() * batch["noise"]).sample.float()
        error, weight = rebuilt - images, self._weight(images)
        loss = (error.abs() * weight).mean()
        if self.slope_weight:
            slopes = [
                (error.diff(dim=dim).abs() * weight.narrow(dim, 1, weight.shape[dim] - 1)).mean()
                for dim in (2, 3)
            ]
            loss = loss + self.slope_weight * (slopes[0] + slopes[1])
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        return {"loss": loss + self.kl_weight * kl, "l1": error.abs().mean(), "kl": kl}

    def _weight(self, images: Tensor) -> Tensor:
        if self.audible_weight == 1:
            return torch.ones_like(images)
        is_audible = F.max_pool2d((images > _AUDIBLE).float(), 5, stride=1, padding=2)
        return 1 + (self.audible_weight - 1) * is_audible

    def samples(self) -> list[Sample]:
        """Two whole mels, original and reconstructed; held-out ones if there are any."""
        if self.mel_config is None:
            return []
        mels = self.held_out.mels if isinstance(self.held_out, AutoencoderTask) else self.mels
        count = min(2, len(mels))
        originals = torch.stack([mels[row].float() for row in range(count)])
        device = next(self.module.parameters()).device
        images = originals[:, None].to(device).expand(-1, self.autoencoder.config.in_channels, -1, -1)
        rebuilt = self.autoencoder.decode(self.autoencoder.encode(images).latent_dist.mean).sample[:, 0]
        named = {"original": originals, "rebuilt": rebuilt}
        return [
            Sample(name=f"{row}-{name}", mel=several[row], config=self.mel_config)
            for row in range(count)
            for name, several in named.items()
        ]
