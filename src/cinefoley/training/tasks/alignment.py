"""The classifiers that judge, and guide, whether a sound belongs to its film."""

import copy
from typing import Self

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor
from torch.nn import functional as F

from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.training.engine.task import Batch, Task
from cinefoley.training.tasks.alignment_pairs import AlignmentPairs

__all__ = ["AlignmentTask"]


class AlignmentTask(Task):
    """Aligned, shifted and foreign pairs, told apart.

    Source: Diff-Foley (Luo et al., NeurIPS 2023): aligned pairs, the same clip shifted, another clip's sound.
    Reading: 50, 25 and 25 in a hundred; the paper and its code state no shares. A shift that lands on a
    periodic clip's own rhythm is no negative (``alignment_pairs.is_same_rhythm``), and neither
    is another silence for a silent film. Sounds that belong to their film for a part of the time do not occur
    in that training, and a classifier that has never met one rejects a sound with a single flaw; ``splices``
    shows some, and their label says whether they belong for the larger part. Latents are sampled from the
    posterior; features get noise, so that a sharp ear for exact features does not take the place of a
    judgement.

    Args:
        classifier: The network to train.
        pairs: Training pairs.
        scheduler: For the guidance classifier, which judges noisy latents: its noise levels. None trains the
            judge, which sees clean ones at time 0.
        feature_noise: Standard deviation of the noise on the features, in units of their mean magnitude.
        splices: Share of pairs in which a stretch of an aligned sound gives way to one that is not.
    """

    name = "alignment"

    def __init__(
        self,
        classifier: AlignmentClassifier,
        pairs: AlignmentPairs,
        *,
        scheduler: DPMSolverMultistepScheduler | None = None,
        feature_noise: float = 0.1,
        splices: float = 0.0,
    ) -> None:
        self.module = self.classifier = classifier
        self.pairs = pairs
        self.scheduler = scheduler
        self.feature_noise = feature_noise
        self.splices = splices

    @property
    def settings(self) -> dict[str, object]:
        """Whom the classifier serves, the noise on the features, and the share of splices."""
        return {
            "judges_noisy_latents": self.scheduler is not None,
            "feature_noise": self.feature_noise,
            "splices": self.splices,
        }

    def on(self, pairs: AlignmentPairs) -> Self:
        """The same on other clips."""
        other = copy.copy(self)
        other.pairs = pairs
        return other

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose films, a sound for each, and all noise."""
        film = self.choose(step, generator, batch_size, count=len(self.pairs))
        sound, which, label = self._draw(film, generator)
        drawn = {"index": film, "sound": sound, "which": which, "label": label}
        if self.splices:
            drawn |= self._draw_splices(film, label, generator)
        size = (batch_size, *self.pairs.means.shape[2:])
        drawn["posterior_noise"] = torch.randn(size, generator=generator)
        if self.scheduler is not None:
            drawn["timesteps"] = torch.randint(
                self.scheduler.config.num_train_timesteps, (batch_size,), generator=generator
            )
            drawn["noise"] = torch.randn(size, generator=generator)
        size = (batch_size, *self.pairs.video_features.shape[1:])
        return drawn | {"feature_noise": torch.randn(size, generator=generator) * size[-1] ** -0.5}

    def load(self, rows: Batch) -> Batch:
        """Read features and latents, and add the noise."""
        film, sound, which = rows["index"], rows["sound"], rows["which"]
        means, stds = self.pairs.means[sound, which].float(), self.pairs.stds[sound, which].float()
        latents = means + stds * rows["posterior_noise"]
        if self.splices:
            columns = torch.arange(latents.shape[-1])
            is_own = (columns >= rows["begin"][:, None]) & (columns < rows["end"][:, None])
            aligned = (
                self.pairs.means[film, 0].float() + self.pairs.stds[film, 0].float() * rows["posterior_noise"]
            )
            latents = torch.where(is_own[:, None, None], aligned, latents)
        timesteps = torch.zeros(len(film), dtype=torch.long)
        if self.scheduler is not None:
            timesteps = rows["timesteps"]
            level = self.scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
            latents = level.sqrt() * latents + (1 - level).sqrt() * rows["noise"]
        features = self.pairs.video_features[film].float() + self.feature_noise * rows["feature_noise"]
        return {
            "latents": latents,
            "timesteps": timesteps,
            "video_features": F.normalize(features, dim=-1),
            "label": rows["label"],
        }

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Binary cross-entropy, and the share of pairs that are told right."""
        inputs = batch["latents"], batch["timesteps"], batch["video_features"]
        logits, label = self.classifier(*inputs, as_logits=True).float(), batch["label"]
        loss = F.binary_cross_entropy_with_logits(logits, label)
        return {"loss": loss, "accuracy": ((logits > 0) == (label > 0.5)).float().mean()}

    def clip_names(self, rows: Batch) -> list[str]:
        """The film, and the clip whose sound is beside it."""
        pairs = zip(rows["index"].tolist(), rows["sound"].tolist(), strict=True)
        return [f"clip {film}" if film == sound else f"clip {film} + {sound}" for film, sound in pairs]

    def _draw_splices(self, film: Tensor, label: Tensor, generator: torch.Generator) -> Batch:
        """Columns of latents in which a sound that does not belong gives way to the film's own."""
        count, columns = len(film), self.pairs.means.shape[-1]
        length = (torch.rand(count, generator=generator) * columns).round()
        begin = (torch.rand(count, generator=generator) * (columns - length)).round()
        is_spliced = (torch.rand(count, generator=generator) < self.splices) & (label < 0.5)
        length = torch.where(is_spliced, length, 0)
        return {"begin": begin, "end": begin + length, "label": torch.where(length > columns / 2, 1.0, label)}

    def _draw(self, film: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Which clip's sound, which of its shifts, and whether that belongs to the film."""
        count, shifts = len(film), self.pairs.is_negative.shape[1]
        lot = torch.rand(count, generator=generator)
        chances = self.pairs.is_negative[film].float() * torch.rand(count, shifts, generator=generator)
        shift = chances.argmax(dim=1)
        # half of the splices belong, so fewer whole ones must, for halves in all
        whole = (0.5 - self.splices / 2) / (1 - self.splices / 2)
        is_shifted = (lot >= whole) & (lot < (1 + whole) / 2) & (chances.amax(dim=1) > 0)
        is_foreign = (lot >= whole) & ~is_shifted
        other = torch.randint(len(self.pairs) - 1, (count,), generator=generator)
        other = other + (other >= film)
        sound = torch.where(is_foreign, other, film)
        which = torch.where(is_shifted, shift, 0)
        both_silent = self.pairs.is_silent[film] & self.pairs.is_silent[sound]
        return sound, which, (~(is_shifted | is_foreign) | both_silent).float()
