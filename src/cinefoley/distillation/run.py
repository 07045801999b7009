"""The paper's training as one call: from a teacher and clips to a student."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.training import TrainConfig
from cinefoley.data.cache.clip_frames import ClipFrames, FrameSettings
from cinefoley.data.cache.feature_cache import network_digest, prepare_teacher_features
from cinefoley.data.cache.frame_cache import prepare_frames
from cinefoley.data.cache.tensor_rows import ChunkedRows
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.distillation.recipe import DistillationRecipe
from cinefoley.distillation.task import DistillationTask
from cinefoley.errors import CheckpointMismatchError, DataError
from cinefoley.models.folder import load_foley_config, load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.devices import choose_own_device
from cinefoley.pipelines.loading import resolve_model
from cinefoley.training.engine.loop import fit
from cinefoley.training.engine.muon import check_muon
from cinefoley.training.run_folder import RunFolder
from cinefoley.training.stages.run import StageResult, claimed_stage
from cinefoley.variations.mixture import Mixture

__all__ = ["DistillSettings", "distill", "planned_config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillSettings:
    """Whom a student learns from, on what, and how."""

    recipe: DistillationRecipe
    """Variation, loss and schedule."""
    teacher: str | Path
    """The model whose ``video_encoder/`` is the teacher: a name, a folder or a hub id."""
    run_dir: Path
    """The run's folder: checkpoint, log, ledger, the student."""
    cache_dir: Path
    """Where pictures and the teacher's features are kept."""
    init: Path | None = None
    """A ``video_encoder/`` folder that the student begins with; None takes the teacher's weights."""
    held_out: ClipSource | None = None
    """Clips to validate on; None validates on none."""
    clip_s: float = 10.0
    """Seconds that are kept of a clip; all of them are one sample, as in the paper."""
    workers: int = 1
    """Processes, and threads, that decode."""
    device: torch.device = field(default_factory=choose_own_device)
    """Where the teacher's features are computed, and the student is trained."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Settings of :class:`TrainConfig` in place of the recipe's; None leaves the recipe's."""
    on_prepared: Callable[[str, int, int], None] | None = None
    """Called while pictures and features are made ready: with which, how many, and of how many."""
    shows_progress: bool = False
    """Whether the engine draws a bar with the time left, on a terminal."""
    on_log: Callable[[dict[str, float]], None] | None = None
    """Called with every line of the log."""

    def counter(self, what: str) -> Callable[[int, int], None] | None:
        """:attr:`on_prepared` for one kind of thing."""
        return None if self.on_prepared is None else partial(self.on_prepared, what)


def distill(source: ClipSource, settings: DistillSettings) -> StageResult:
    """Train a student to its end, from where the last run in its folder stopped.

    Args:
        source: The clips.
        settings: The rest.

    Returns:
        The student's folder, what it was trained on, and the last figures.

    Raises:
        ValueError: If a setting is out of range.
        DependencyError: If the optimiser is Muon, and this PyTorch has none.
        DataError: If no clip can be used.
        MissingWeightsError: If there is no such teacher.
        CheckpointMismatchError: If the weights to begin with have another shape than the teacher, or what is
            in the run's folder belongs to other settings.
        RunInterrupted: On SIGTERM or SIGINT, after the state was saved.
        OutputError: If something cannot be written; what is finished is kept.
        CinefoleyError: If another run holds the folder.
    """
    if _config(settings, len(source)).optimizer == "muon":
        check_muon()  # now rather than after hours of decoding
    with claimed_stage(settings.run_dir) as folder:
        model = resolve_model(settings.teacher)
        foley = load_foley_config(model)
        teacher = load_part(model / "video_encoder", VideoEncoder)
        student = _begin_student(model, settings, teacher)
        pictures = _prepare(source, foley, settings)
        if not len(pictures):
            folder.write_ledger(pictures)
            first = pictures.ledger[0]
            raise DataError(
                f"{source.name}: not one of {len(source)} clips can be used; "
                f"{folder.path / 'ledger.jsonl'} says why of each ({first['id']}: {first['reason']})."
            )
        parts = {"teacher": network_digest(teacher)}
        init = ["the teacher's"]
        if settings.init is not None:
            parts["student"], init = network_digest(student), [str(settings.init)]
        folder.begin("distillation", settings.recipe.name, source.name, pictures, parts, init=init)
        config = _config(settings, len(pictures))
        teacher = teacher.to(settings.device)
        task = _task(student, teacher, pictures, foley, config.seed, settings)
        fit(
            task,
            config,
            settings.run_dir,
            device=settings.device,
            on_begin=partial(folder.note_start, config, recipe=asdict(settings.recipe)),
            on_log=settings.on_log,
            show_progress=settings.shows_progress,
        )
        return _finish(student, model, pictures, config, folder)


def planned_config(source: ClipSource, settings: DistillSettings) -> TrainConfig:
    """How a student would be trained: its steps are those of the clips that can be used.

    Args:
        source: The clips; those that are not decoded yet are decoded now.
        settings: As for :func:`distill`.

    Raises:
        OutputError: If pictures cannot be kept.
    """
    foley = load_foley_config(resolve_model(settings.teacher))
    return _config(settings, len(_prepare(source, foley, settings)))


def _begin_student(model: Path, settings: DistillSettings, teacher: VideoEncoder) -> VideoEncoder:
    """A copy of the teacher, or other weights of its shape; ready to be trained."""
    student = load_part(settings.init or model / "video_encoder", VideoEncoder)
    there, here = (
        {key: value for key, value in encoder.config.items() if key[0] != "_"}
        for encoder in (student, teacher)
    )
    changes = [f"{key} {there[key]} there, {here[key]} here" for key in here if there[key] != here[key]]
    if changes:
        raise CheckpointMismatchError(
            f"{settings.init}: the student must have its teacher's shape ({'; '.join(changes)}). Begin with "
            "another encoder, or leave --init out."
        )
    return student.requires_grad_(True)


def _prepare(source: ClipSource, foley: FoleyConfig, settings: DistillSettings) -> ClipFrames:
    reading = FrameSettings.of(
        foley.frame_size,
        foley.video_fps,
        duration_s=max(settings.clip_s, foley.window_s),
        # the last frame of a window is sampled half a frame before its end
        least_s=foley.window_s - 0.5 / foley.video_fps,
        scale=settings.recipe.variation.scale_range[0],
    )
    return prepare_frames(
        source, reading, settings.cache_dir, workers=settings.workers, on_clip=settings.counter("clips")
    )


def _config(settings: DistillSettings, num_clips: int) -> TrainConfig:
    recipe = settings.recipe
    overrides = {"batch_norm": recipe.batch_norm} | dict(settings.overrides)
    return recipe.schedule.train_config(num_clips, **overrides)


def _task(
    student: VideoEncoder,
    teacher: VideoEncoder,
    pictures: ClipFrames,
    foley: FoleyConfig,
    seed: int,
    settings: DistillSettings,
) -> DistillationTask:
    recipe = settings.recipe

    def seen_by_teacher(clips: ClipFrames, what: str) -> ChunkedRows:
        return prepare_teacher_features(
            clips,
            teacher,
            settings.cache_dir,
            frame_size=foley.frame_size,
            workers=settings.workers,
            on_row=settings.counter(what),
        )

    task = DistillationTask(
        student,
        pictures,
        seen_by_teacher(pictures, "features"),
        variation=Mixture.from_config(recipe.variation),
        frame_size=foley.frame_size,
        feature_space=recipe.feature_space,
        cosine_weight=recipe.cosine_weight,
        mse_weight=recipe.mse_weight,
        seed=seed,
        workers=settings.workers,
    )
    if settings.held_out is not None:
        held_out = _prepare(settings.held_out, foley, settings)
        if len(held_out):
            task.held_out = task.on(held_out, seen_by_teacher(held_out, "features to validate on"))
    return task


def _finish(
    student: VideoEncoder, model: Path, pictures: ClipFrames, config: TrainConfig, folder: RunFolder
) -> StageResult:
    part = folder.write_part("video_encoder", student.save_pretrained)
    if folder.is_main:
        load_foley_config(model).save(folder.path)
    folder.write_card(
        f"name `{part.name}/` with --video-encoder, or copy it into its teacher's model as "
        "`video_encoder_student/`."
    )
    return StageResult(
        parts=(part,),
        config=config,
        num_clips=len(pictures),
        ledger=pictures.ledger,
        last=folder.last_line(),
    )
