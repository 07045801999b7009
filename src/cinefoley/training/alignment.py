"""The classifiers that judge, and guide, whether a sound belongs to its film."""

from dataclasses import dataclass

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.models.classifier import AlignmentClassifier

__all__ = ["AlignmentTask", "Pairs", "is_same_rhythm"]

_SAME_RHYTHM = 0.6
_SILENT_RANGE = 0.05  # of a mel in [0, 1]: less movement than this is no rhythm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Films beside their own sound and beside the same sound taken earlier or later."""

    video_features: Tensor
    """``(N, T, D)``, unit norm per frame."""
    means: Tensor
    """``(N, K, C, h, w)``, posterior means of the latents, already scaled; the first is the film's own moment,
    the others are shifted by half a second or more."""
    stds: Tensor
    """The posterior's standard deviations, same shape and scale."""
    is_negative: Tensor
    """``(N, K)`` bool, false for the first and for shifts that land on the clip's own rhythm."""
    is_silent: Tensor
    """``(N,)`` bool, whether the film's own sound is silent throughout."""

    def __len__(self) -> int:
        return len(self.video_features)


class AlignmentTask:
    """Aligned, shifted and foreign pairs, told apart.

    Source: Diff-Foley (Luo et al., NeurIPS 2023): aligned pairs, the same clip shifted, another clip's sound.
    Reading: 50, 25 and 25 in a hundred; the paper and its code state no shares. A shift that lands on a
    periodic clip's own rhythm is no negative (:func:`is_same_rhythm`), and neither is another silence for a
    silent film. Latents are sampled from the posterior; features get noise, so that a sharp ear for exact
    features does not take the place of a judgement.

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


def is_same_rhythm(mels: Tensor, shifted: Tensor) -> Tensor:
    """Whether a shifted sound cannot be told from the one in place: its loudness rises and falls the same.

    The correlation of both loudness curves over time is compared with 0.6. Sounds that hardly change, silence
    among them, count as the same.

    Args:
        mels: ``(B, n_mels, frames)`` in [0, 1].
        shifted: The same sounds, taken earlier or later.

    Returns:
        ``(B,)`` bool.
    """
    first, second = _loudness(mels), _loudness(shifted)
    is_flat = (first.amax(1) - first.amin(1) < _SILENT_RANGE) | (
        second.amax(1) - second.amin(1) < _SILENT_RANGE
    )
    a, b = first - first.mean(1, keepdim=True), second - second.mean(1, keepdim=True)
    correlation = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-6)
    return is_flat | (correlation > _SAME_RHYTHM)


def _loudness(mels: Tensor) -> Tensor:
    """Mean over bands, in steps of a sixteenth of a second."""
    return F.avg_pool1d(mels.float().mean(dim=1, keepdim=True), 4)[:, 0]
