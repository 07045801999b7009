"""The classifiers that judge, and guide, whether a sound belongs to its film."""

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.training.pairs import Pairs

__all__ = ["AlignmentTask"]


class AlignmentTask:
    """Aligned, shifted and foreign pairs, told apart.

    Source: Diff-Foley (Luo et al., NeurIPS 2023): aligned pairs, the same clip shifted, another clip's sound.
    Reading: 50, 25 and 25 in a hundred; the paper and its code state no shares. A shift that lands on a
    periodic clip's own rhythm is no negative (:func:`~cinefoley.training.pairs.is_same_rhythm`), and neither
    is another silence for a silent film. Latents are sampled from the posterior; features get noise, so that
    a sharp ear for exact features does not take the place of a judgement.

    Args:
        classifier: The network to train.
        pairs: Training pairs.
        scheduler: For the guidance classifier, which judges noisy latents: its noise levels. None trains the
            judge, which sees clean ones at time 0.
        feature_noise: Standard deviation of the noise on the features, in units of their mean magnitude.
    """

    def __init__(
        self,
        classifier: AlignmentClassifier,
        pairs: Pairs,
        *,
        scheduler: DPMSolverMultistepScheduler | None = None,
        feature_noise: float = 0.1,
    ) -> None:
        self.module: nn.Module = classifier
        self.classifier, self.pairs = classifier, pairs
        self.scheduler = scheduler
        self.feature_noise = feature_noise

    def loss(self, step: int, generator: torch.Generator, batch_size: int) -> dict[str, Tensor]:
        """Binary cross-entropy, and the share of pairs that are told right."""
        pairs = self.pairs
        film = torch.randint(len(pairs), (batch_size,), generator=generator)
        sound, which, label = self._draw(film, generator)
        means, stds = pairs.means[sound, which].float(), pairs.stds[sound, which].float()
        latents = means + stds * torch.randn(means.shape, generator=generator)
        steps = torch.zeros(batch_size, dtype=torch.long)
        if self.scheduler is not None:
            steps = torch.randint(
                self.scheduler.config.num_train_timesteps, (batch_size,), generator=generator
            )
            level = self.scheduler.alphas_cumprod[steps].view(-1, 1, 1, 1)
            latents = level.sqrt() * latents + (1 - level).sqrt() * torch.randn(
                means.shape, generator=generator
            )
        features = pairs.video_features[film].float()
        noise = torch.randn(features.shape, generator=generator) * features.shape[-1] ** -0.5
        features = F.normalize(features + self.feature_noise * noise, dim=-1)
        logits = self.classifier(latents, steps, features, as_logits=True).float()
        loss = F.binary_cross_entropy_with_logits(logits, label)
        return {"loss": loss, "accuracy": ((logits > 0) == (label > 0.5)).float().mean()}

    def _draw(self, film: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Which clip's sound, which of its shifts, and whether that belongs to the film."""
        count, shifts = len(film), self.pairs.is_negative.shape[1]
        lot = torch.rand(count, generator=generator)
        chances = self.pairs.is_negative[film].float() * torch.rand(count, shifts, generator=generator)
        shift = chances.argmax(dim=1)
        is_shifted = (lot >= 0.5) & (lot < 0.75) & (chances.amax(dim=1) > 0)
        is_foreign = (lot >= 0.5) & ~is_shifted
        other = torch.randint(len(self.pairs) - 1, (count,), generator=generator)
        other = other + (other >= film)
        sound = torch.where(is_foreign, other, film)
        which = torch.where(is_shifted, shift, 0)
        both_silent = self.pairs.is_silent[film] & self.pairs.is_silent[sound]
        return sound, which, (~(is_shifted | is_foreign) | both_silent).float()
