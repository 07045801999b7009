"""Self-distillation: a student learns from crops what its teacher sees in the whole picture."""

import copy
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.data.cache.clip_frames import ClipFrames
from cinefoley.data.cache.tensor_rows import TensorRows
from cinefoley.distillation.loss import FeatureSpace, distillation_terms
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.engine.epochs import draw_epochs
from cinefoley.training.engine.task import Batch, Task
from cinefoley.variations.mixture import Mixture
from cinefoley.variations.window import Window

__all__ = ["DistillationTask"]


class DistillationTask(Task):
    """Eq. (2) between a student that sees clips varied and the teacher's features of the clips as they are.

    Source: paper, Section 4: ``c_t = T(x_v)`` always of the unvaried clip, ``c_s' = S(x_v)`` or
    ``S(f(x_v))``.
    Reading: every clip comes once in an epoch; whether and how it is varied is drawn anew each time. Nothing
    else is changed about the pictures, so the teacher's features never change either: they are computed
    once, and a step costs the student's forward and backward pass alone.

    Args:
        student: The encoder to train.
        pictures: The clips.
        teacher_features: ``(N, T, D)`` raw, row by row as the clips.
        variation: What the student is shown.
        frame_size: Height and width that the student sees.
        feature_space: Whether features are compared after the division by their norm, or before.
        cosine_weight: Weight of the cosine distance.
        mse_weight: Weight of the squared error.
        seed: Of the order in which clips come.
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
        pictures: ClipFrames,
        teacher_features: TensorRows,
        *,
        variation: Mixture,
        frame_size: tuple[int, int],
        feature_space: FeatureSpace = "normalized",
        cosine_weight: float = 1.0,
        mse_weight: float = 1.0,
        seed: int = 0,
        workers: int = 1,
    ) -> None:
        wanted = (len(pictures), pictures.settings.num_frames, student.config["feature_dim"])
        if tuple(teacher_features.shape) != wanted:
            raise ValueError(
                f"the teacher's features must be {wanted} (clips, frames, width of the student's), got "
                f"{tuple(teacher_features.shape)}"
            )
        self.module = self.student = student
        self.pictures, self.teacher_features = pictures, teacher_features
        self.variation, self.frame_size = variation, frame_size
        self.feature_space: FeatureSpace = feature_space
        self.cosine_weight, self.mse_weight = cosine_weight, mse_weight
        self.seed, self.workers = seed, workers

    @property
    def settings(self) -> dict[str, object]:
        """What is shown, and how features are compared."""
        return {
            "variation": repr(self.variation),
            "frame_size": list(self.frame_size),
            "feature_space": self.feature_space,
            "cosine_weight": self.cosine_weight,
            "mse_weight": self.mse_weight,
            "seed": self.seed,
        }

    def on(self, pictures: ClipFrames, teacher_features: TensorRows) -> Self:
        """The same on other clips."""
        other = copy.copy(self)
        other.pictures, other.teacher_features = pictures, teacher_features
        return other

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose clips, and a seed for the window of each."""
        return {
            "index": draw_epochs(step, batch_size, count=len(self.pictures), seed=self.seed),
            "seed": torch.randint(2**62, (batch_size,), generator=generator),
        }

    def load(self, rows: Batch) -> Batch:
        """Decode what the student sees, ``(B, T, 3, H, W)`` uint8, and read what the teacher saw."""
        chosen = rows["index"].tolist()
        windows = [self._window(row, seed) for row, seed in zip(chosen, rows["seed"].tolist(), strict=True)]
        video = self.pictures.videos(chosen, size=self.frame_size, windows=windows, workers=self.workers)
        return {
            "video": video,
            "teacher_features": self.teacher_features[rows["index"]],
        }

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Eq. (2) and its two terms."""
        given = self.student(batch["video"].float() / 255, normalize=False).float()
        target = batch["teacher_features"].float()
        if self.feature_space == "normalized":
            given, target = F.normalize(given, dim=-1), F.normalize(target, dim=-1)
        cosine, squared = distillation_terms(given, target)
        total = self.cosine_weight * cosine + self.mse_weight * squared
        return {"loss": total, "cosine": cosine, "squared_error": squared}

    def clip_names(self, rows: Batch) -> list[str]:
        """The clips' own names."""
        return [self.pictures.ids[row] for row in rows["index"].tolist()]

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Cosine distances on held-out clips, each seen whole and each seen varied."""
        if not isinstance(self.held_out, DistillationTask):
            return {}
        shown = self.held_out
        always = Mixture(self.variation.variations, 1.0, self.variation.weights)
        figures = {}
        for name, variation in (("whole", None), ("varied", always)):
            distances = [shown._distance(row, variation) for row in range(len(shown.pictures))]
            figures[f"cosine_{name}"] = sum(distances) / len(distances)
        return figures

    def _distance(self, row: int, variation: Mixture | None) -> float:
        window = None
        if variation is not None:
            window = variation.draw(self.pictures.sizes[row], generator=torch.Generator().manual_seed(row))
        video = self.pictures.video(row, size=self.frame_size, window=window)
        device = next(self.student.parameters()).device
        given = self.student(video.to(device).float()[None] / 255, normalize=False)
        target = self.teacher_features[torch.tensor([row])].to(device)
        return float(distillation_terms(given.float(), target)[0])

    def _window(self, row: int, seed: int) -> Window:
        return self.variation.draw(self.pictures.sizes[row], generator=torch.Generator().manual_seed(seed))
