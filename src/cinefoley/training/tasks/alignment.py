"""Alignment task: classify whether sound and video match, for evaluation and for guidance."""

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor
from torch.nn import functional as F

from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.training.engine.task import Batch, Task
from cinefoley.training.tasks.alignment_pairs import AlignmentPairs

__all__ = ["AlignmentTask"]


class AlignmentTask(Task):
    """Binary classification of pairs: aligned, shifted in time, or with the sound of another clip.

    Source: Diff-Foley (Luo et al., NeurIPS 2023): aligned pairs, the same clip shifted, another clip's sound.
    Reading: 50, 25 and 25 %; the paper and its code state no shares. A shift that matches a periodic clip's
    own rhythm is not a negative (``alignment_pairs.is_same_rhythm``), and neither is another silence for a
    silent clip. Diff-Foley's training has no sounds that match their video for a part of the time, and a
    classifier that was never trained on them rejects a sound with a single flaw. ``splices`` adds some; their
    label says whether the larger part matches. Latents are sampled from the posterior. Features get noise, so
    that the classifier cannot rely on their exact values.

    Args:
        classifier: The network to train.
        pairs: Training pairs.
        scheduler: Noise levels of the guidance classifier, which sees noisy latents. None trains the
            evaluation's classifier, which sees clean ones at time 0.
        feature_noise: Standard deviation of the noise on the features, in units of their mean magnitude.
        splices: Share of unaligned pairs in which a stretch is replaced by the aligned sound.
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
        """Kind of latents, noise on the features, and share of splices."""
        return {
            "judges_noisy_latents": self.scheduler is not None,
            "feature_noise": self.feature_noise,
            "splices": self.splices,
        }

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose clips, a sound for each, and all noise."""
        clip = self.choose(step, generator, batch_size, count=len(self.pairs))
        sound, which, label = self._draw(clip, generator)
        drawn = {"index": clip, "sound": sound, "which": which, "label": label}
        if self.splices:
            drawn |= self._draw_splices(clip, label, generator)
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
        clip, sound, which = rows["index"], rows["sound"], rows["which"]
        means, stds = self.pairs.means[sound, which].float(), self.pairs.stds[sound, which].float()
        latents = means + stds * rows["posterior_noise"]
        if self.splices:
            columns = torch.arange(latents.shape[-1])
            is_own = (columns >= rows["begin"][:, None]) & (columns < rows["end"][:, None])
            aligned = (
                self.pairs.means[clip, 0].float() + self.pairs.stds[clip, 0].float() * rows["posterior_noise"]
            )
            latents = torch.where(is_own[:, None, None], aligned, latents)
        timesteps = torch.zeros(len(clip), dtype=torch.long)
        if self.scheduler is not None:
            timesteps = rows["timesteps"]
            level = self.scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
            latents = level.sqrt() * latents + (1 - level).sqrt() * rows["noise"]
        features = self.pairs.video_features[clip].float() + self.feature_noise * rows["feature_noise"]
        return {
            "latents": latents,
            "timesteps": timesteps,
            "video_features": F.normalize(features, dim=-1),
            "label": rows["label"],
        }

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Binary cross-entropy, and accuracy."""
        inputs = batch["latents"], batch["timesteps"], batch["video_features"]
        logits, label = self.classifier(*inputs, as_logits=True).float(), batch["label"]
        loss = F.binary_cross_entropy_with_logits(logits, label)
        return {"loss": loss, "accuracy": ((logits > 0) == (label > 0.5)).float().mean()}

    def clip_names(self, rows: Batch) -> list[str]:
        """The clip, and the clip whose sound it is paired with."""
        pairs = zip(rows["index"].tolist(), rows["sound"].tolist(), strict=True)
        return [f"clip {clip}" if clip == sound else f"clip {clip} + {sound}" for clip, sound in pairs]

    def _draw_splices(self, clip: Tensor, label: Tensor, generator: torch.Generator) -> Batch:
        """Choose columns of latents in which an unaligned sound is replaced by the clip's own."""
        count, columns = len(clip), self.pairs.means.shape[-1]
        length = (torch.rand(count, generator=generator) * columns).round()
        begin = (torch.rand(count, generator=generator) * (columns - length)).round()
        is_spliced = (torch.rand(count, generator=generator) < self.splices) & (label < 0.5)
        length = torch.where(is_spliced, length, 0)
        return {"begin": begin, "end": begin + length, "label": torch.where(length > columns / 2, 1.0, label)}

    def _draw(self, clip: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Choose the clip of each sound, its shift, and the label: 1 if it matches the video."""
        count, shifts = len(clip), self.pairs.is_negative.shape[1]
        lot = torch.rand(count, generator=generator)
        chances = self.pairs.is_negative[clip].float() * torch.rand(count, shifts, generator=generator)
        shift = chances.argmax(dim=1)
        # half of the splices match, so fewer unspliced pairs must, for one half in all
        whole = (0.5 - self.splices / 2) / (1 - self.splices / 2)
        is_shifted = (lot >= whole) & (lot < (1 + whole) / 2) & (chances.amax(dim=1) > 0)
        is_foreign = (lot >= whole) & ~is_shifted
        other = torch.randint(len(self.pairs) - 1, (count,), generator=generator)
        other = other + (other >= clip)
        sound = torch.where(is_foreign, other, clip)
        which = torch.where(is_shifted, shift, 0)
        both_silent = self.pairs.is_silent[clip] & self.pairs.is_silent[sound]
        return sound, which, (~(is_shifted | is_foreign) | both_silent).float()
