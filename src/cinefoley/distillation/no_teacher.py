"""Baseline without a teacher (Table 1): CAVP's own contrastive loss on varied clips."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from cinefoley.config.model import AudioEncoderConfig, VideoEncoderConfig
from cinefoley.config.presets import lite_training
from cinefoley.config.recipes import CavpRecipe, ScheduleRecipe, TrainingPreset
from cinefoley.config.variations import VariationConfig
from cinefoley.data.cache.clip_frames import FrameSettings
from cinefoley.data.cache.clip_windows import DecodedClips
from cinefoley.data.cache.frame_cache import prepare_frames
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.distillation.run import DistillSettings, planned_config
from cinefoley.errors import MissingWeightsError
from cinefoley.models.folder import load_foley_config
from cinefoley.pipelines.loading import resolve_model
from cinefoley.training.run_settings import RunResult, RunSettings
from cinefoley.training.stages.run import train_stage
from cinefoley.training.stages.settings import StageSettings
from cinefoley.training.tasks.cavp import FrameSampler
from cinefoley.variations.mixture import Mixture

__all__ = ["VariedVideo", "no_teacher_preset", "train_without_teacher"]

ConfigT = TypeVar("ConfigT", AudioEncoderConfig, VideoEncoderConfig)

_SHARED = (
    "steps",
    "batch_size",
    "optimizer",
    "learning_rate",
    "seed",
    "precision",
    "checkpoint_every",
    "log_every",
)
"""Settings of the engine that the baseline takes from the student's training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariedVideo:
    """Shows varied clips to CAVP's video encoder, as the student sees them."""

    variation: VariationConfig
    """The variation of each clip."""

    @property
    def name(self) -> str:
        """The variation, spelled out."""
        return repr(self.variation)

    def sampler(self, source: ClipSource, clips: DecodedClips, settings: RunSettings) -> FrameSampler:
        """Cache the frames of clips large enough for windows, and return what crops windows out of them.

        Args:
            source: The source of the clips.
            clips: Its clips that can be used. One whose larger frames are damaged is shown whole.
            settings: Cache folder, workers and progress.

        Raises:
            OutputError: If the cache cannot be written.
        """
        read, mixture = clips.settings, Mixture.from_config(self.variation)
        reading = FrameSettings.of(
            read.frame_size,
            read.frame_rate,
            duration_s=read.duration_s,
            least_s=read.least_s,
            scale=self.variation.scale_range[0],
        )
        frames = prepare_frames(
            source,
            reading,
            settings.cache_dir,
            workers=settings.workers,
            on_clip=settings.progress_of("larger frames"),
        )
        rows = {name: row for row, name in enumerate(frames.ids)}

        def sample(index: Tensor, seeds: Tensor) -> Tensor:
            videos = []
            for number, seed in zip(index.tolist(), seeds.tolist(), strict=True):
                row = rows.get(clips.ids[number])
                if row is None:
                    videos.append(clips.frames[number])
                    continue
                window = mixture.draw(frames.sizes[row], generator=torch.Generator().manual_seed(seed))
                videos.append(frames.video(row, size=read.frame_size, window=window))
            return torch.stack(videos)

        return sample


def train_without_teacher(source: ClipSource, settings: DistillSettings) -> RunResult:
    """Train a teacher's copy on varied clips by CAVP's own loss, for as many steps as a student and as fast.

    The audio encoder stays fixed, since the generator knows the space that both encoders span.

    Args:
        source: The clips.
        settings: As for :func:`~cinefoley.distillation.run.distill`; loss and feature space are not used.

    Raises:
        MissingWeightsError: If the model has no audio encoder.
        CinefoleyError: As :func:`~cinefoley.training.stages.run.train_stage` does.
    """
    model, recipe = resolve_model(settings.teacher), settings.recipe
    if not (model / "audio_encoder").is_dir():
        raise MissingWeightsError(f"{model}: has no audio_encoder/, which training without a teacher needs.")
    student = planned_config(source, settings)
    overrides = {name: getattr(student, name) for name in _SHARED} | {"batch_norm": recipe.batch_norm}
    shared = {field.name: getattr(settings, field.name) for field in fields(RunSettings)}
    return train_stage(
        "cavp",
        source,
        StageSettings(
            **shared | {"overrides": overrides},
            preset=no_teacher_preset(model, recipe.schedule),
            init=[model],
            warm_start_steps=0,
            variation=VariedVideo(variation=recipe.variation),
            trains_audio=False,
        ),
    )


def no_teacher_preset(model: Path, schedule: ScheduleRecipe) -> TrainingPreset:
    """CAVP's recipe for the encoders of a model, on windows of half the model's own."""
    base, foley = lite_training(), load_foley_config(model)
    cavp = CavpRecipe(
        schedule=schedule,
        # as in their own pretraining: lite's encoders frame by frame, CAVP's by their maximum
        pooling="frames" if foley.frame_size == base.model.foley.frame_size else "max",
        window_frames=foley.feature_frames // 2,
        gap_frames=foley.feature_frames // 4,
        mel=replace(foley.mel, hop_length=250),
    )
    encoders = replace(
        base.model,
        foley=foley,
        video_encoder=_config_of(model / "video_encoder", VideoEncoderConfig),
        audio_encoder=_config_of(model / "audio_encoder", AudioEncoderConfig),
    )
    return replace(base, name="direct", model=encoders, cavp=cavp)


def _config_of(part: Path, config_class: type[ConfigT]) -> ConfigT:
    """The shape of a part, from its ``config.json``."""
    entries = json.loads((part / "config.json").read_text())
    names = {entry.name for entry in fields(config_class)}
    known: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in entries.items()
        if key in names
    }
    return config_class(**known)
