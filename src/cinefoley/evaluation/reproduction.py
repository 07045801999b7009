"""The paper's tables: what each compares, and the chain that makes it, resumable at every step."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch

from cinefoley.config.model import AudioEncoderConfig, VideoEncoderConfig
from cinefoley.config.presets import DistillationPreset, distillation, lite_training
from cinefoley.config.recipes import CavpRecipe, ScheduleRecipe, TrainingPreset
from cinefoley.data.clips import ClipSource
from cinefoley.errors import MissingWeightsError
from cinefoley.evaluation.experiment import Experiment, RealClips
from cinefoley.evaluation.method_scores import average, score_method
from cinefoley.evaluation.scores import Score
from cinefoley.evaluation.stage_figures import View
from cinefoley.models.folder import load_foley_config, load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.distill import DistillSettings, distill
from cinefoley.training.stages import StageSettings, train_stage

__all__ = [
    "TABLES",
    "VIEWS",
    "Method",
    "Table",
    "TableName",
    "TablePlan",
    "TrainingPlan",
    "reproduce_table",
]

ConfigT = TypeVar("ConfigT", AudioEncoderConfig, VideoEncoderConfig)

TableName = Literal["table1", "table3", "table4"]
"""The paper's tables of numbers that models are trained for."""

VIEWS: tuple[View, ...] = ("full", "close_up", "camera_movement")
"""The paper's three test sets: clips as they are, VGG-CU and VGG-CM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A row of a table: who watches."""

    name: str
    """What the table calls it."""
    preset: DistillationPreset | None = None
    """How its encoder was trained; None is the teacher."""
    has_teacher: bool = True
    """Whether it learned from the teacher, or by the pretraining's own loss on varied clips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """What a table compares, and on how much."""

    methods: tuple[Method, ...]
    """Its rows, in every view."""
    clips: int
    """Unseen clips."""
    takes: int
    """Takes of each."""
    seeds: int
    """Training seeds of each method."""


TABLES: Mapping[TableName, TablePlan] = {
    "table1": TablePlan(
        methods=(
            Method(name="teacher"),
            Method(name="student", preset="paper"),
            Method(name="no teacher", preset="paper", has_teacher=False),
        ),
        clips=1000,
        takes=2,
        seeds=3,
    ),
    "table3": TablePlan(
        methods=(
            Method(name="f_cu", preset="paper_50"),
            Method(name="f_cm", preset="paper_camera_movement"),
            Method(name="both", preset="paper_both"),
        ),
        clips=300,
        takes=1,
        seeds=2,
    ),
    "table4": TablePlan(
        methods=(
            Method(name="k = 50 %", preset="paper_50"),
            Method(name="k = 75 %", preset="paper"),
            Method(name="k = 100 %", preset="paper_100"),
        ),
        clips=300,
        takes=1,
        seeds=2,
    ),
}
"""What each table compares on the stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """How the encoders of a reproduction are trained."""

    source: ClipSource
    """Training clips."""
    runs_dir: Path
    """A folder for each run."""
    cache_dir: Path
    """Where pictures and features are kept."""
    clip_s: float
    """Seconds that are kept of a clip."""
    workers: int = 1
    """Processes that decode."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the engine in place of the paper's: the smoke run's few steps."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where features are computed."""
    on_prepared: Callable[[str, int, int], None] | None = None
    """Called while clips and features are made ready."""
    shows_progress: bool = False
    """Whether the engine draws a bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A finished table."""

    name: TableName
    """Which."""
    scores: Mapping[tuple[View, str], Mapping[str, Score]]
    """By view and method: metrics, averaged over training seeds; their replicas are of the same clips."""
    skipped: Mapping[str, str]
    """Methods that could not be trained, and why."""
    real: RealClips
    """The clips that it was measured on."""


def reproduce_table(
    name: TableName,
    plan: TablePlan,
    experiment: Experiment,
    training: TrainingPlan,
    *,
    replicas: int = 200,
    on_stage: Callable[[str], None] | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> Table:
    """Train what is not trained yet, generate what is not generated yet, and score all of it.

    Args:
        name: The table.
        plan: What it compares.
        experiment: The clips, the generator and the judges; its number of takes is the plan's.
        training: How encoders are trained.
        replicas: Resamplings for the intervals.
        on_stage: Called with what begins.
        on_clip: Called with finished and all clips of the present step.

    Raises:
        CinefoleyError: As training and generating do. What is finished is kept.
    """
    tell = on_stage or (lambda text: None)
    experiment = replace(experiment, settings=replace(experiment.settings, num_takes=plan.takes))
    folders: dict[str, list[Path | None]] = {}
    skipped: dict[str, str] = {}
    for method in plan.methods:
        try:
            folders[method.name] = _encoders(method, plan.seeds, experiment, training, tell)
        except MissingWeightsError as exc:
            skipped[method.name] = str(exc)
    tell("the real clips")
    teacher = load_part(experiment.model_folder / "video_encoder", VideoEncoder)
    real = experiment.hear_real(teacher, on_clip=on_clip)
    scores: dict[tuple[View, str], Mapping[str, Score]] = {}
    for view in VIEWS:
        for method_name, encoders in folders.items():
            several = []
            for number, encoder in enumerate(encoders):
                tell(f"{view}: {method_name}" + (f", seed {number}" if len(encoders) > 1 else ""))
                takes = experiment.measure(real, view, encoder or "teacher", on_clip=on_clip)
                several.append(score_method(real, takes, replicas=replicas))
            scores[view, method_name] = average(several)
    return Table(name=name, scores=scores, skipped=skipped, real=real)


def _encoders(
    method: Method,
    seeds: int,
    experiment: Experiment,
    training: TrainingPlan,
    tell: Callable[[str], None],
) -> list[Path | None]:
    """Folders of a method's encoders, trained where they are not yet; None is the teacher."""
    if method.preset is None:
        return [None]
    train = partial(_distil if method.has_teacher else _train_directly, method.preset, experiment, training)
    folders: list[Path | None] = []
    for seed in range(seeds):
        kind = "" if method.has_teacher else "direct-"
        run_dir = training.runs_dir / f"{kind}{method.preset}-{seed}"
        if not (run_dir / "video_encoder").is_dir():
            tell(f"training {run_dir.name}")
        # a finished run costs no step, and one of other settings is refused
        train(seed, run_dir)
        folders.append(run_dir / "video_encoder")
    return folders


def _distil(
    preset: DistillationPreset, experiment: Experiment, training: TrainingPlan, seed: int, run_dir: Path
) -> None:
    settings = DistillSettings(
        recipe=distillation(preset),
        teacher=experiment.model,
        run_dir=run_dir,
        cache_dir=training.cache_dir,
        clip_s=training.clip_s,
        workers=training.workers,
        device=training.device,
        overrides={**training.overrides, "seed": seed},
        on_prepared=training.on_prepared,
        shows_progress=training.shows_progress,
    )
    distill(training.source, settings)


def _train_directly(
    preset: DistillationPreset, experiment: Experiment, training: TrainingPlan, seed: int, run_dir: Path
) -> None:
    """The paper's other road: the pretraining's loss on varied clips, for as many steps and as fast."""
    if not (experiment.model_folder / "audio_encoder").is_dir():
        raise MissingWeightsError(
            f"{experiment.model_folder}: has no audio_encoder/, which training without a teacher needs."
        )
    recipe = distillation(preset)
    schedule = recipe.schedule.train_config(len(training.source), **{**training.overrides, "seed": seed})
    names = ("steps", "batch_size", "learning_rate", "seed", "precision", "checkpoint_every", "log_every")
    settings = StageSettings(
        preset=_direct_preset(experiment.model_folder, recipe.schedule),
        run_dir=run_dir,
        cache_dir=training.cache_dir,
        init=[experiment.model_folder],
        clip_s=training.clip_s,
        workers=training.workers,
        device=training.device,
        overrides={name: getattr(schedule, name) for name in names} | {"batch_norm": recipe.batch_norm},
        warm_start_steps=0,
        variation=recipe.variation,
        trains_audio=False,
        on_prepared=training.on_prepared,
        shows_progress=training.shows_progress,
    )
    train_stage("cavp", training.source, settings)


def _direct_preset(folder: Path, schedule: ScheduleRecipe) -> TrainingPreset:
    """CAVP's recipe for the towers of a model, on windows of half the model's own."""
    base = lite_training()
    foley = load_foley_config(folder)
    cavp = CavpRecipe(
        schedule=schedule,
        # as in their own pretraining: lite's towers frame by frame, CAVP's by their maximum
        pooling="frames" if foley.frame_size == base.model.foley.frame_size else "max",
        window_frames=foley.video_frames // 2,
        gap_frames=foley.video_frames // 4,
        mel=replace(foley.mel, hop_length=250),
    )
    model = replace(
        base.model,
        foley=foley,
        video_encoder=_config_of(folder / "video_encoder", VideoEncoderConfig),
        audio_encoder=_config_of(folder / "audio_encoder", AudioEncoderConfig),
    )
    return replace(base, name="direct", model=model, cavp=cavp)


def _config_of(folder: Path, config_class: type[ConfigT]) -> ConfigT:
    """What a part's ``config.json`` says of its shape."""
    entries = json.loads((folder / "config.json").read_text())
    names = {entry.name for entry in fields(config_class)}
    known: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in entries.items()
        if key in names
    }
    return config_class(**known)
