"""The mel decoder again, while the latents stay as they are."""

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.config.mel import MelConfig
from cinefoley.training.autoencoder import AutoencoderTask
from cinefoley.training.task import Batch

__all__ = ["MelDecoderTask"]

_CHOICES = 3
_AUDIBLE = 0.02  # of a mel in [0, 1]: 2 dB above the floor


class MelDecoderTask(AutoencoderTask):
    """Sharper mels from the same latents: the decoder alone, on stretches in which something sounds.

    An autoencoder trained for a short time on absolute error blurs what is rare: decays, partials, the grain
    of noise. Denoiser and judge know its latents; the decoder can be trained on without troubling them, as
    was done with Stable Diffusion's. The error is that of the mel and of its slopes along time and pitch,
    and counts four times where anything is audible.

    Args:
        autoencoder: Its decoder is trained, its encoder is not.
        mels: Training mels ``(N, n_mels, frames)`` in [0, 1].
        crop_frames: Length of the stretches; of three drawn, the loudest is taken.
        mel_config: The mels' front-end, with which samples are made to hear; None makes none.
    """

    name = "mel_decoder"

    def __init__(
        self,
        autoencoder: AutoencoderKL,
        mels: Tensor,
        *,
        crop_frames: int = 128,
        mel_config: MelConfig | None = None,
    ) -> None:
        super().__init__(autoencoder, mels, crop_frames=crop_frames, kl_weight=0.0, mel_config=mel_config)
        autoencoder.encoder.requires_grad_(False)
        autoencoder.quant_conv.requires_grad_(False)
        self.module = nn.ModuleList([autoencoder.post_quant_conv, autoencoder.decoder])

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose mels, three stretches of each, and the noise of the latents."""
        drawn = super().draw(step, generator, batch_size)
        last = self.mels.shape[-1] - self.crop_frames
        drawn["start"] = torch.randint(last + 1, (batch_size, _CHOICES), generator=generator)
        return drawn

    def load(self, rows: Batch) -> Batch:
        """Cut the loudest stretches out, ``(B, 1, n_mels, crop_frames)``."""
        crops = []
        for row, starts in zip(rows["index"].tolist(), rows["start"].tolist(), strict=True):
            several = [self.mels[row, :, start : start + self.crop_frames].float() for start in starts]
            crops.append(max(several, key=lambda crop: float(crop.mean())))
        return {"crops": torch.stack(crops)[:, None], "noise": rows["noise"]}

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Mean absolute error of the mel, and of its slopes, where anything is audible above all."""
        pictures = batch["crops"].expand(-1, self.autoencoder.config.in_channels, -1, -1)
        with torch.no_grad():
            posterior = self.autoencoder.encode(pictures).latent_dist
            latents = posterior.mean.float() + posterior.std.float() * batch["noise"]
        rebuilt = self.autoencoder.decode(latents).sample.float()
        weight = 1 + 3 * F.max_pool2d((pictures > _AUDIBLE).float(), 5, stride=1, padding=2)
        error = ((rebuilt - pictures).abs() * weight).mean()
        slopes = [
            (rebuilt.diff(dim=dim) - pictures.diff(dim=dim)).abs()
            * weight.narrow(dim, 1, weight.shape[dim] - 1)
            for dim in (2, 3)
        ]
        slope = slopes[0].mean() + slopes[1].mean()
        return {"loss": error + slope, "error": error, "slope": slope, "l1": F.l1_loss(rebuilt, pictures)}
