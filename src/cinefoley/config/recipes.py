"""Recipes: how each stage of a model is trained, as typed settings."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from cinefoley.config.mel import MelConfig
from cinefoley.config.model import ModelConfig
from cinefoley.config.training import OptimizerConfig, TrainConfig

__all__ = [
    "AlignmentRecipe",
    "AutoencoderRecipe",
    "CavpRecipe",
    "LatentDiffusionRecipe",
    "ScheduleRecipe",
    "TrainingPreset",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecipe(OptimizerConfig):
    """Length, batches, optimiser and learning rate of a training; the length may depend on the clips."""

    steps: int | None = None
    """Optimiser steps; None takes ``epochs``."""
    epochs: float | None = None
    """Passes over the clips; None takes ``steps``."""
    most_clips_per_epoch: int | None = None
    """Clips after which an epoch ends, however many there are."""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(f"a schedule has steps or epochs, one of both: {self}")
        if self.epochs is not None and not 0 < self.epochs < math.inf:
            raise ValueError(f"epochs must be positive and finite, got {self.epochs!r}")

    def train_config(self, num_clips: int, **overrides: Any) -> TrainConfig:
        """The engine's settings for a number of clips.

        Args:
            num_clips: Number of clips, at least 1.
            overrides: Settings of :class:`TrainConfig` in place of the recipe's, or ``epochs`` in place of
                ``steps``; None keeps the recipe's.

        Raises:
            ValueError: If a setting is out of range.
        """
        given = {key: value for key, value in overrides.items() if value is not None}
        epochs = given.pop("epochs", None)
        recipe = self if epochs is None else replace(self, epochs=epochs, steps=None)
        batch_size = given.get("batch_size", self.batch_size)
        settings = {field.name: getattr(self, field.name) for field in fields(OptimizerConfig)} | given
        settings.setdefault("steps", recipe._steps(num_clips, batch_size))
        return TrainConfig(**settings)

    def _steps(self, num_clips: int, batch_size: int) -> int:
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        per_epoch = min(num_clips, self.most_clips_per_epoch or num_clips)
        return max(1, math.ceil(self.epochs * per_epoch / batch_size))


@dataclass(frozen=True, slots=True, kw_only=True)
class CavpRecipe:
    """CAVP: contrast of videos and sounds; the defaults are Diff-Foley's first stage."""

    schedule: ScheduleRecipe
    """Schedule of the contrast."""
    warm_start: ScheduleRecipe | None = None
    """Schedule of the warm start on per-frame targets; None starts the contrast from given weights."""
    kinds_from: int = 0
    """Step of the warm start from which the kind of sound weighs more."""
    keeps_targets: bool = False
    """Whether the per-frame targets are kept beside the contrast."""
    pooling: Literal["max", "frames"] = "max"
    """How a window's features become one vector."""
    windows: int = 3
    """Windows of each clip."""
    window_frames: int = 16
    """Frames of a window: 4 s."""
    gap_frames: int = 8
    """Smallest distance between the starts of two windows: 2 s."""
    temporal_weight: float = 1.0
    """Weight of the contrast inside a clip beside that between clips."""
    mel: MelConfig
    """Mel front-end of the audio encoder; a video frame has a whole number of its frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderRecipe:
    """The mel autoencoder."""

    schedule: ScheduleRecipe
    """Schedule of the training."""
    crop_frames: int = 128
    """Mel frames of the crops that are reconstructed."""
    kl_weight: float = 2e-4
    """Weight of the divergence per latent element."""
    choices: int = 1
    """Crops drawn per sample, of which the loudest is used."""
    audible_weight: float = 1.0
    """Weight of an error where anything is audible."""
    slope_weight: float = 0.0
    """Weight of the error of the mel's slopes along time and pitch."""
    has_unit_variance: bool = True
    """Whether the scale of the latents is set to give them unit variance, or the configuration's is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentDiffusionRecipe:
    """Denoiser and conditioner; the defaults are Diff-Foley's second stage."""

    schedule: ScheduleRecipe
    """Schedule of the training."""
    dropout: float = 0.2
    """Probability of dropping the condition, per sample."""
    concatenation: float = 0.5
    """Share of samples that are two clips joined in time."""
    windows_per_clip: int = 4
    """Evenly spaced windows per clip whose features and latents are cached, if clips are longer than a
    window. Diff-Foley draws a place for each sample instead, which encodes clips anew in every epoch."""
    guidance_weight: float = 0.0
    """Weight of guided attention beside the noise-prediction loss."""
    guidance_start: int = 0
    """First step with that weight."""
    conditioner_std: float | None = None
    """Standard deviation of the conditioner's initial weights; None keeps PyTorch's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentRecipe:
    """The alignment classifier; the defaults are Diff-Foley's shape."""

    schedule: ScheduleRecipe
    """Schedule of the training."""
    block_out_channels: tuple[int, ...] = (128, 256, 256)
    """Channels per level."""
    num_heads: int = 8
    """Attention heads."""
    norm_num_groups: int = 32
    """Groups of every group norm."""
    adds_frames: bool = False
    """Whether each frame's feature is added to its columns of the latents."""
    feature_noise: float = 0.1
    """Standard deviation of the noise on the features, in units of their mean magnitude."""
    splices: float = 0.0
    """Share of unaligned pairs in which a stretch is aligned; the longer part decides the label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPreset:
    """A model and the recipes of all of its stages."""

    name: str
    """Name for ``--preset``."""
    model: ModelConfig
    """Shapes, window and mel."""
    cavp: CavpRecipe
    """First stage."""
    autoencoder: AutoencoderRecipe
    """Before the second."""
    ldm: LatentDiffusionRecipe
    """Second stage."""
    alignment: AlignmentRecipe
    """Alignment classifier of the evaluation."""
