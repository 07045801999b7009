"""The latent diffusion model: denoiser and conditioner."""

import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor, nn

from cinefoley.config.foley import NullCondition
from cinefoley.models.conditioner import Conditioner
from cinefoley.training.guided_attention import GuidedAttention

__all__ = ["LatentDiffusionTask"]


class LatentDiffusionTask:
    """Noise-prediction loss on latents (paper, Eq. 3), with temporal concatenation and condition dropout.

    Source: Diff-Foley, second stage: half of the samples are two clips joined in time, each at least 2 s
        long; the
    condition is dropped in a fifth of them.

    Args:
        denoiser: Predicts noise, or velocity where the schedule says so.
        conditioner: Trained with the denoiser.
        scheduler: Gives the noise levels and the prediction type.
        means: Posterior means of the latents ``(N, C, h, w)``, already scaled.
        stds: Posterior standard deviations, same shape and scale.
        video_features: ``(N, T, D)``, unit norm per frame; w is a multiple of T.
        null_condition: What a dropped condition is replaced by; the same as in sampling.
        dropout: Probability of dropping the condition.
        concatenation: Share of samples that are two clips joined.
        guidance_weight: Weight of guided attention beside the noise-prediction loss; 0 leaves it out.
        guidance_start: Step from which it counts.
    """

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
    ) -> None:
        self.module: nn.Module = nn.ModuleDict({"denoiser": denoiser, "conditioner": conditioner})
        self.denoiser, self.conditioner, self.scheduler = denoiser, conditioner, scheduler
        self.means, self.stds, self.video_features = means, stds, video_features
        self.null_condition = null_condition
        self.dropout, self.concatenation = dropout, concatenation
        self.guidance_weight, self.guidance_start = guidance_weight, guidance_start
        self.guided_attention = GuidedAttention(denoiser)

    def loss(self, step: int, generator: torch.Generator, batch_size: int) -> dict[str, Tensor]:
        """Squared error of the prediction, also over the noisier half of the steps, and guided attention."""
        latents, features = self._batch(generator, batch_size)
        noise = torch.randn(latents.shape, generator=generator)
        steps = torch.randint(self.scheduler.config.num_train_timesteps, (batch_size,), generator=generator)
        noisy, target = self._diffuse(latents, noise, steps)
        context = self._context(features, torch.rand(batch_size, generator=generator) < self.dropout)
        prediction = self.denoiser(noisy.contiguous(memory_format=torch.channels_last), steps, context).sample
        error = (prediction.float() - target).square().mean(dim=(1, 2, 3))
        late = error[steps >= 500]
        losses = {"noise": error.mean(), "noisy_half": late.mean() if len(late) else error.mean()}
        losses["off_time"] = self.guided_attention.loss()
        weight = self.guidance_weight if step >= self.guidance_start else 0.0
        return {"loss": losses["noise"] + weight * losses["off_time"]} | losses

    def _batch(self, generator: torch.Generator, batch_size: int) -> tuple[Tensor, Tensor]:
        frames = self.video_features.shape[1]
        columns = self.means.shape[-1] // frames
        first = torch.randint(len(self.means), (batch_size,), generator=generator)
        second = torch.randint(len(self.means), (batch_size,), generator=generator)
        cut = torch.randint(
            8, frames - 7, (batch_size,), generator=generator
        )  # at least 2 s of each at 4 fps
        joined = torch.rand(batch_size, generator=generator) < self.concatenation
        cut = torch.where(joined, cut, frames)
        in_first = torch.arange(frames)[None] < cut[:, None]
        features = torch.where(in_first[..., None], self.video_features[first], self.video_features[second])
        wide = in_first.repeat_interleave(columns, dim=1)[:, None, None]
        means = torch.where(wide, self.means[first], self.means[second])
        stds = torch.where(wide, self.stds[first], self.stds[second])
        return means + stds * torch.randn(means.shape, generator=generator), features

    def _diffuse(self, latents: Tensor, noise: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        level = self.scheduler.alphas_cumprod[steps].view(-1, 1, 1, 1)
        signal, sigma = level.sqrt(), (1 - level).sqrt()
        noisy = signal * latents + sigma * noise
        is_velocity = self.scheduler.config.prediction_type == "v_prediction"
        return noisy, signal * noise - sigma * latents if is_velocity else noise

    def _context(self, features: Tensor, dropped: Tensor) -> Tensor:
        if self.null_condition == "zero_features":
            features = torch.where(dropped[:, None, None], 0.0, features)
        context = self.conditioner(features)
        if self.null_condition == "zero_context":
            context = torch.where(dropped[:, None, None], torch.zeros((), dtype=context.dtype), context)
        return context
