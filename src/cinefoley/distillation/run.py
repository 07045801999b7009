"""Distil a student: from a teacher and clips to a trained video encoder, resumable."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.training import TrainConfig
from cinefoley.data.cache.clip_frames import ClipFrames
from cinefoley.data.cache.feature_cache import network_digest
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.distillation.pairs import prepare_student_frames, prepare_teacher_features
from cinefoley.distillation.recipe import DistillationRecipe
from cinefoley.distillation.task import DistillationTask
from cinefoley.errors import CheckpointMismatchError
from cinefoley.models.folder import load_foley_config, load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.loading import resolve_model
from cinefoley.training.engine.muon import check_muon
from cinefoley.training.run_folder import opened_run
from cinefoley.training.run_settings import RunResult, RunSettings

__all__ = ["DistillSettings", "distill", "planned_config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillSettings(RunSettings):
    """Teacher, recipe and first weights of a student."""

    recipe: DistillationRecipe
    """Variation, loss and schedule."""
    teacher: str | Path
    """The model whose ``video_encoder/`` is the teacher: a name, a folder or a hub id."""
    init: Path | None = None
    """A ``video_encoder/`` folder with the student's first weights; None takes the teacher's."""


def distill(source: ClipSource, settings: DistillSettings) -> RunResult:
    """Train a student to its end, from where the last run in its folder stopped.

    Args:
        source: The clips.
        settings: The other settings.

    Returns:
        The student's folder, what it was trained on, and the last line of the log.

    Raises:
        ValueError: If a setting is out of range.
        DependencyError: If the optimiser is Muon, and this PyTorch has none.
        DataError: If no clip can be used.
        MissingWeightsError: If there is no such teacher.
        CheckpointMismatchError: If the first weights have another shape than the teacher, or the run folder
            belongs to other settings.
        RunInterrupted: On SIGTERM or SIGINT, after the state was saved.
        OutputError: If something cannot be written; finished work stays.
        CinefoleyError: If another run holds the folder.
    """
    if _config(settings, len(source)).optimizer == "muon":
        check_muon()  # now rather than after hours of decoding
    with opened_run(settings.run_dir) as folder:
        model = resolve_model(settings.teacher)
        foley = load_foley_config(model)
        teacher = load_part(model / "video_encoder", VideoEncoder)
        student = _load_student(model, settings, teacher)
        frames = _prepare(source, foley, settings)
        folder.require_clips(frames, source)
        parts, init = {"teacher": network_digest(teacher)}, "the teacher's"
        if settings.init is not None:
            parts["student"], init = network_digest(student), str(settings.init)
        folder.begin("distillation", settings.recipe.name, source.name, frames, parts, init=[init])
        config = _config(settings, len(frames))
        task = _task(student, teacher.to(settings.device), frames, foley, config.seed, settings)
        folder.train(task, config, settings, recipe=asdict(settings.recipe))
        part = folder.write_part("video_encoder", student.save_pretrained)
        if folder.is_main:
            foley.save(folder.path)
        folder.write_card(
            "distill",
            f"name `{part.name}/` with --video-encoder, or copy it into its teacher's model as "
            "`video_encoder_student/`.",
        )
        return RunResult(
            parts=(part,),
            config=config,
            num_clips=len(frames),
            ledger=frames.ledger,
            last=folder.last_line(),
        )


def planned_config(source: ClipSource, settings: DistillSettings) -> TrainConfig:
    """The engine's settings of a student's training; the steps depend on the clips that can be used.

    Args:
        source: The clips; those that are not in the cache are decoded.
        settings: As for :func:`distill`.

    Raises:
        OutputError: If the cache cannot be written.
    """
    foley = load_foley_config(resolve_model(settings.teacher))
    return _config(settings, len(_prepare(source, foley, settings)))


def _load_student(model: Path, settings: DistillSettings, teacher: VideoEncoder) -> VideoEncoder:
    """A trainable copy of the teacher, or other weights of its shape."""
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


def _config(settings: DistillSettings, num_clips: int) -> TrainConfig:
    recipe = settings.recipe
    overrides = {"batch_norm": recipe.batch_norm} | dict(settings.overrides)
    return recipe.schedule.train_config(num_clips, **overrides)


def _prepare(source: ClipSource, foley: FoleyConfig, settings: DistillSettings) -> ClipFrames:
    return prepare_student_frames(
        source,
        foley,
        settings.cache_dir,
        clip_s=settings.clip_s,
        smallest_window=settings.recipe.variation.scale_range[0],
        workers=settings.workers,
        on_clip=settings.progress_of("clips"),
    )


def _task(
    student: VideoEncoder,
    teacher: VideoEncoder,
    frames: ClipFrames,
    foley: FoleyConfig,
    seed: int,
    settings: DistillSettings,
) -> DistillationTask:
    """The student's task, with held-out clips beside it where there are any."""
    encode = partial(
        prepare_teacher_features,
        teacher=teacher,
        cache_dir=settings.cache_dir,
        frame_size=foley.frame_size,
        workers=settings.workers,
    )
    task = DistillationTask(
        student,
        frames,
        encode(frames, on_row=settings.progress_of("features")),
        settings.recipe,
        frame_size=foley.frame_size,
        seed=seed,
        workers=settings.workers,
    )
    if settings.held_out is not None:
        held_out = _prepare(settings.held_out, foley, settings)
        if len(held_out):
            progress = settings.progress_of("features to validate on")
            task.held_out = task.on(frames=held_out, teacher_features=encode(held_out, on_row=progress))
    return task
