"""Recipes: how each stage of a model is trained, as typed settings."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from cinefoley.config.mel import MelConfig
from cinefoley.config.model import ModelConfig
from cinefoley.config.training import TrainConfig

__all__ = [
    "AlignmentRecipe",
    "AutoencoderRecipe",
    "CavpRecipe",
    "LatentDiffusionRecipe",
    "ScheduleRecipe",
    "TrainingPreset",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecipe:
    """How long, how fast and how carefully; its length may depend on the number of clips."""

    steps: int | None = None
    """Optimiser steps; None counts epochs."""
    epochs: float | None = None
    """Passes over the clips; None counts steps."""
    most_clips_per_epoch: int | None = None
    """An epoch ends after this many, however many there are."""
    batch_size: int = 16
    """Clips per step, over all ranks."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """AdamW, or Muon for matrices and kernels with AdamW for all else."""
    learning_rate: float = 1e-4
    """Peak learning rate."""
    warmup_steps: int = 100
    """Steps over which the learning rate rises from 0."""
    schedule: Literal["constant", "cosine", "trapezoid"] = "cosine"
    """What the learning rate does after the warm-up."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's running averages."""
    weight_decay: float = 0.01
    """Decoupled decay."""
    max_grad_norm: float | None = 1.0
    """Gradients with a larger norm are scaled down to it; None leaves them as they are."""
    ema_decay: float | None = None
    """Decay of averaged weights, or None."""
    seed: int = 0
    """Of initial weights and of every draw."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(f"a schedule has steps or epochs, one of both: {self}")
        if self.epochs is not None and not 0 < self.epochs < math.inf:
            raise ValueError(f"epochs must be positive and finite, got {self.epochs!r}")

    def train_config(self, num_clips: int, **overrides: Any) -> TrainConfig:
        """The engine's settings for a number of clips.

        Args:
            num_clips: Clips that there are, at least 1.
            overrides: Settings of :class:`TrainConfig`, ``steps`` among them, or ``epochs`` in its place; one
                that is None leaves what the recipe says.

        Raises:
            ValueError: If a setting is out of range.
        """
        given = {key: value for key, value in overrides.items() if value is not None}
        epochs = given.pop("epochs", None)
        recipe = self if epochs is None else replace(self, epochs=epochs, steps=None)
        batch_size = given.get("batch_size", self.batch_size)
        shared = {field.name for field in fields(TrainConfig)} & {field.name for field in fields(self)}
        settings = {name: getattr(self, name) for name in shared - {"steps"}} | given
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
    """Contrast of films and sounds; the defaults are Diff-Foley's first stage."""

    schedule: ScheduleRecipe
    """Of the contrast."""
    warm_start: ScheduleRecipe | None = None
    """Per-frame targets for both towers before the contrast; None starts from weights that are given."""
    kinds_from: int = 0
    """Step of the warm start from which kinds weigh more."""
    keeps_targets: bool = False
    """Whether the per-frame targets stay beside the contrast."""
    pooling: Literal["max", "frames"] = "max"
    """How a window's features become one."""
    windows: int = 3
    """Windows of each clip."""
    window_frames: int = 16
    """Frames of a window: 4 s."""
    gap_frames: int = 8
    """Least distance of two windows' starts: 2 s."""
    temporal_weight: float = 1.0
    """Weight of the contrast inside a clip beside that between clips."""
    mel: MelConfig
    """The mel that the audio tower hears; its frames fall on whole fractions of the video's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderRecipe:
    """The mel autoencoder."""

    schedule: ScheduleRecipe
    """Of the training."""
    crop_frames: int = 128
    """Mel frames of the stretches that are rebuilt."""
    kl_weight: float = 2e-4
    """Weight of the divergence per latent element."""
    choices: int = 1
    """Stretches drawn per sample, of which the loudest is rebuilt."""
    audible_weight: float = 1.0
    """How often an error counts where anything is audible."""
    slope_weight: float = 0.0
    """Weight of the error of the mel's slopes along time and pitch."""
    has_unit_variance: bool = True
    """Whether the latents' scale is set so that they have unit variance; else the configuration's is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentDiffusionRecipe:
    """Denoiser and conditioner; the defaults are Diff-Foley's second stage."""

    schedule: ScheduleRecipe
    """Of the training."""
    dropout: float = 0.2
    """Probability of dropping the condition, per sample."""
    concatenation: float = 0.5
    """Share of samples that are two clips joined in time."""
    windows_per_clip: int = 4
    """Windows that features and latents are kept of, where clips are longer than a window. Diff-Foley draws a
    place for each sample; with several evenly spaced ones, every clip is encoded so often and no more."""
    guidance_weight: float = 0.0
    """Weight of guided attention beside the noise-prediction loss."""
    guidance_start: int = 0
    """Step from which it counts."""
    conditioner_std: float | None = None
    """Standard deviation of the conditioner's first weights; None keeps PyTorch's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentRecipe:
    """The classifier that judges whether a sound belongs to a film; the defaults are Diff-Foley's shape."""

    schedule: ScheduleRecipe
    """Of the training."""
    block_out_channels: tuple[int, ...] = (128, 256, 256)
    """Channels per level."""
    num_heads: int = 8
    """Attention heads."""
    norm_num_groups: int = 32
    """Groups of every group norm."""
    adds_frames: bool = False
    """Whether every column of the latents is told its frame."""
    feature_noise: float = 0.1
    """Standard deviation of the noise on the features, in units of their mean magnitude."""
    splices: float = 0.0
    """Share of unaligned pairs in which a stretch is aligned all the same; the longer part decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPreset:
    """A model and the recipes of all of its stages."""

    name: str
    """What ``--preset`` calls it."""
    model: ModelConfig
    """Shapes, window and mel."""
    cavp: CavpRecipe
    """First stage."""
    autoencoder: AutoencoderRecipe
    """Before the second."""
    ldm: LatentDiffusionRecipe
    """Second stage."""
    alignment: AlignmentRecipe
    """The evaluation's classifier."""
