"""Distillation task: one training step of the student on varied clips against the teacher's features."""

import torch
from torch import Tensor

from cinefoley.data.cache.clip_frames import ClipFrames
from cinefoley.data.cache.tensor_rows import TensorRows
from cinefoley.distillation.loss import distillation_terms, training_losses
from cinefoley.distillation.recipe import DistillationRecipe
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.engine.epochs import draw_epochs
from cinefoley.training.engine.task import Batch, Task
from cinefoley.variations.mixture import Mixture
from cinefoley.variations.window import Window

__all__ = ["DistillationTask"]


class DistillationTask(Task):
    """Eq. (2) between a student that sees varied clips and the teacher's features of the unvaried clips.

    Source: paper, Section 4: ``c_t = T(x_v)`` always of the unvaried clip, ``c_s' = S(x_v)`` or
    ``S(f(x_v))``.
    Reading: every clip comes once in an epoch; whether and how it is varied is drawn anew each time. The
    frames are not augmented otherwise, so the teacher's features are constant: they are computed once, and a
    step costs the student's forward and backward pass alone.

    Args:
        student: The video encoder to train.
        frames: Frames of the clips.
        teacher_features: ``(N, T, D)`` raw, one row for each clip.
        recipe: Variation and loss.
        frame_size: Height and width that the student sees.
        seed: Seed of the order of the clips.
        workers: Threads that decode.

    Raises:
        ValueError: If there is not one row of features for each clip, or it has another shape than the
            student's.
    """

    name = "distillation"
    prefetches = True

    def __init__(
        self,
        student: VideoEncoder,
        frames: ClipFrames,
        teacher_features: TensorRows,
        recipe: DistillationRecipe,
        *,
        frame_size: tuple[int, int],
        seed: int = 0,
        workers: int = 1,
    ) -> None:
        expected = (len(frames), frames.settings.num_frames, student.config["feature_dim"])
        if tuple(teacher_features.shape) != expected:
            raise ValueError(
                f"the teacher's features must be {expected} (clips, frames, width of the student's), got "
                f"{tuple(teacher_features.shape)}"
            )
        self.module = self.student = student
        self.frames, self.teacher_features = frames, teacher_features
        self.recipe, self.variation = recipe, Mixture.from_config(recipe.variation)
        self.frame_size, self.seed, self.workers = frame_size, seed, workers

    @property
    def settings(self) -> dict[str, object]:
        """Variation, frame size, loss and order of the clips."""
        return {
            "variation": repr(self.variation),
            "frame_size": list(self.frame_size),
            **self.recipe.loss_settings,
            "seed": self.seed,
        }

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose clips, and a seed for the window of each."""
        return {
            "index": draw_epochs(step, batch_size, count=len(self.frames), seed=self.seed),
            "seed": torch.randint(2**62, (batch_size,), generator=generator),
        }

    def load(self, rows: Batch) -> Batch:
        """Decode the varied clips, ``(B, T, 3, H, W)`` uint8, and read the teacher's features."""
        index = rows["index"].tolist()
        windows = [self._window(row, seed) for row, seed in zip(index, rows["seed"].tolist(), strict=True)]
        video = self.frames.videos(index, size=self.frame_size, windows=windows, workers=self.workers)
        return {"video": video, "teacher_features": self.teacher_features[rows["index"]]}

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Eq. (2) and its two terms."""
        features = self.student(batch["video"].float() / 255, normalize=False)
        return training_losses(features, batch["teacher_features"], self.recipe)

    def clip_names(self, rows: Batch) -> list[str]:
        """The clips' own names."""
        return [self.frames.ids[row] for row in rows["index"].tolist()]

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean cosine distances on held-out clips, each shown whole and each shown varied."""
        if not isinstance(self.held_out, DistillationTask):
            return {}
        held_out = self.held_out
        always = Mixture(self.variation.variations, 1.0, self.variation.weights)
        means = {}
        for name, variation in (("whole", None), ("varied", always)):
            distances = [held_out._distance(row, variation) for row in range(len(held_out.frames))]
            means[f"cosine_{name}"] = sum(distances) / len(distances)
        return means

    def _distance(self, row: int, variation: Mixture | None) -> float:
        window = None if variation is None else self._window(row, row, variation)
        video = self.frames.video(row, size=self.frame_size, window=window)
        device = next(self.student.parameters()).device
        features = self.student(video.to(device).float()[None] / 255, normalize=False)
        target = self.teacher_features[torch.tensor([row])].to(device)
        return float(distillation_terms(features.float(), target)[0])

    def _window(self, row: int, seed: int, variation: Mixture | None = None) -> Window:
        generator = torch.Generator().manual_seed(seed)
        mixture = self.variation if variation is None else variation
        return mixture.draw(self.frames.sizes[row], generator=generator)
