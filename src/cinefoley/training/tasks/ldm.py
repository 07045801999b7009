"""Latent diffusion task: noise-prediction loss of denoiser and conditioner (paper, Eq. 3)."""

from collections.abc import Callable, Sequence

import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor, nn

from cinefoley.config.foley import NullCondition
from cinefoley.models.conditioner import Conditioner
from cinefoley.training.engine.task import Batch, Sample, Task
from cinefoley.training.tasks.guided_attention import GuidedAttention

__all__ = ["LatentDiffusionTask"]


class LatentDiffusionTask(Task):
    """Noise-prediction loss on latents (paper, Eq. 3), with temporal concatenation and condition dropout.

    Source: Diff-Foley, second stage: half of the samples are two clips joined in time, each at least 2 s
    long; the condition is dropped in a fifth of them.

    Args:
        denoiser: Predicts noise or velocity, as the scheduler's prediction type says.
        conditioner: Trained with the denoiser.
        scheduler: Gives the noise levels and the prediction type.
        means: Posterior means of the latents ``(N, C, h, w)``, already scaled.
        stds: Posterior standard deviations, same shape and scale.
        video_features: ``(N, T, D)``, unit norm per frame; w is a multiple of T.
        null_condition: Replacement of a dropped condition; the same as in sampling.
        dropout: Probability of dropping the condition.
        concatenation: Share of samples that are two clips joined.
        guidance_weight: Weight of guided attention beside the noise-prediction loss; 0 disables it.
        guidance_start: First step with that weight.
        preview: Makes audio previews, see :func:`~cinefoley.training.stages.audio_previews.preview_takes`.
    """

    name = "ldm"

    def __init__(
        self,
        denoiser: UNet2DConditionModel,
        conditioner: Conditioner,
        scheduler: DPMSolverMultistepScheduler,
        *,
        means: Tensor,
        stds: Tensor,
        video_features: Tensor,
        null_condition: NullCondition = "zero_context",
        dropout: float = 0.2,
        concatenation: float = 0.5,
        guidance_weight: float = 0.0,
        guidance_start: int = 0,
        preview: Callable[[], Sequence[Sample]] | None = None,
    ) -> None:
        self.module = nn.ModuleDict({"denoiser": denoiser, "conditioner": conditioner})
        self.denoiser, self.conditioner, self.scheduler = denoiser, conditioner, scheduler
        self.means, self.stds, self.video_features = means, stds, video_features
        self.null_condition = null_condition
        self.dropout, self.concatenation = dropout, concatenation
        self.guidance_weight, self.guidance_start = guidance_weight, guidance_start
        # attention that can be recorded is slower than fused attention
        self.guided_attention = GuidedAttention(denoiser) if guidance_weight else None
        self.preview = preview

    @property
    def settings(self) -> dict[str, object]:
        """Everything but the networks that the loss depends on."""
        return {
            "prediction_type": self.scheduler.config.prediction_type,
            "null_condition": self.null_condition,
            "dropout": self.dropout,
            "concatenation": self.concatenation,
            "guidance_weight": self.guidance_weight,
            "guidance_start": self.guidance_start,
        }

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose pairs of clips, the frame at which the second begins, noise levels, and all noise."""
        frames, size = self.video_features.shape[1], (batch_size, *self.means.shape[1:])
        first = self.choose(step, generator, batch_size, count=len(self.means))
        second = torch.randint(len(self.means), (batch_size,), generator=generator)
        # at least 2 s of each at 4 fps
        cut = torch.randint(8, frames - 7, (batch_size,), generator=generator)
        joined = torch.rand(batch_size, generator=generator) < self.concatenation
        return {
            "index": torch.stack([first, second], dim=1),
            "cut": torch.where(joined, cut, frames),
            "posterior_noise": torch.randn(size, generator=generator),
            "noise": torch.randn(size, generator=generator),
            "timesteps": torch.randint(
                self.scheduler.config.num_train_timesteps, (batch_size,), generator=generator
            ),
            "dropped": torch.rand(batch_size, generator=generator) < self.dropout,
        }

    def load(self, rows: Batch) -> Batch:
        """Join latents and features of each pair."""
        frames = self.video_features.shape[1]
        columns = self.means.shape[-1] // frames
        first, second = rows["index"].unbind(dim=1)
        in_first = torch.arange(frames)[None] < rows["cut"][:, None]
        features = torch.where(in_first[..., None], self.video_features[first], self.video_features[second])
        wide = in_first.repeat_interleave(columns, dim=1)[:, None, None]
        means = torch.where(wide, self.means[first], self.means[second])
        stds = torch.where(wide, self.stds[first], self.stds[second])
        latents = means + stds * rows["posterior_noise"]
        kept = {name: rows[name] for name in ("noise", "timesteps", "dropped")}
        return {"latents": latents, "video_features": features} | kept

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Squared error of the prediction, over all and over the noisier timesteps, and guided attention."""
        timesteps = batch["timesteps"]
        noisy, target = self._diffuse(batch["latents"], batch["noise"], timesteps)
        context = self._context(batch["video_features"], batch["dropped"])
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        prediction = self.denoiser(noisy, timesteps, context).sample
        error = (prediction.float() - target).square().mean(dim=(1, 2, 3))
        late = error[timesteps >= 500]
        losses = {"noise": error.mean(), "noisy_half": late.mean() if len(late) else error.mean()}
        if self.guided_attention is None or not torch.is_grad_enabled():  # attention is then not recorded
            return {"loss": losses["noise"]} | losses
        losses["off_time"] = self.guided_attention.loss()
        weight = self.guidance_weight if step >= self.guidance_start else 0.0
        return {"loss": losses["noise"] + weight * losses["off_time"]} | losses

    def clip_names(self, rows: Batch) -> list[str]:
        """The clip, or both clips of a joined pair."""
        frames = self.video_features.shape[1]
        pairs = zip(rows["index"].tolist(), rows["cut"].tolist(), strict=True)
        return [f"clip {a}" if cut == frames else f"clip {a} + {b}" for (a, b), cut in pairs]

    def samples(self) -> Sequence[Sample]:
        """The audio previews that ``preview`` makes."""
        return () if self.preview is None else self.preview()

    def _diffuse(self, latents: Tensor, noise: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        level = self.scheduler.alphas_cumprod.to(steps.device)[steps].view(-1, 1, 1, 1)
        signal, sigma = level.sqrt(), (1 - level).sqrt()
        noisy = signal * latents + sigma * noise
        is_velocity = self.scheduler.config.prediction_type == "v_prediction"
        return noisy, signal * noise - sigma * latents if is_velocity else noise

    def _context(self, features: Tensor, dropped: Tensor) -> Tensor:
        if self.null_condition == "zero_features":
            features = torch.where(dropped[:, None, None], 0.0, features)
        context = self.conditioner(features)
        if self.null_condition == "zero_context":
            context = torch.where(dropped[:, None, None], torch.zeros_like(context), context)
        return context
