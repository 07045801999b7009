"""The paper's tables: what each compares, and the chain that makes it, resumable at every step."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from cinefoley.data.cache.tensor_files import claimed_cache
from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.data.sources.file_digests import FileDigests
from cinefoley.distillation.no_teacher import train_without_teacher
from cinefoley.distillation.presets import DistillationPreset, distillation
from cinefoley.distillation.run import DistillSettings, distill
from cinefoley.errors import CheckpointMismatchError, DependencyError, MissingWeightsError
from cinefoley.evaluation.folder.scores import Score
from cinefoley.evaluation.paper.experiment import Experiment, RealClips, digest_of_part
from cinefoley.evaluation.paper.method_scores import average, score_method
from cinefoley.evaluation.paper.score_store import KeptScores, ScoreFolder
from cinefoley.evaluation.stage.take_metrics import View
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder

__all__ = [
    "TABLES",
    "VIEWS",
    "Method",
    "Table",
    "TableName",
    "TablePlan",
    "TrainingPlan",
    "in_scored_dtype",
    "reproduce_table",
]

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
    views: tuple[View, ...] = VIEWS
    """Its test sets; the first is always whole clips, which the others are compared with."""


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
            Method(name="teacher"),
            Method(name="f_cu", preset="paper_50"),
            Method(name="f_cm", preset="paper_camera_movement"),
            Method(name="both", preset="paper_both"),
            Method(name="cinematic", preset="cinematic"),
        ),
        clips=300,
        takes=1,
        seeds=2,
    ),
    "table4": TablePlan(
        methods=(
            Method(name="teacher"),
            Method(name="k = 50 %", preset="paper_50"),
            Method(name="k = 75 %", preset="paper"),
            Method(name="k = 100 %", preset="paper_100"),
        ),
        clips=300,
        takes=1,
        seeds=2,
    ),
}
"""What each table compares on the stage: the paper's rows, the teacher's, and in Table 3 our own preset."""


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
    clips: int
    """Clips that it was measured on."""
    left_out: tuple[Record, ...]
    """Clips that cannot be used: ``id``, ``reason``, ``message``."""
    runs: Mapping[str, Record]
    """How each encoder was trained, by its name: ``run.json``, and the last line of its log; of the first of
    several trainings."""
    hours: float
    """Time that training, generating and judging took, wherever and whenever that was."""
    mixed: tuple[str, ...] = ()
    """Encoders whose views were measured with the weights of more than one training of the same settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Encoder:
    """One training seed of a method."""

    method: Method
    seed: int

    @property
    def name(self) -> str:
        kind = "" if self.method.has_teacher else "direct-"
        return "teacher" if self.method.preset is None else f"{kind}{self.method.preset}-{self.seed}"


def reproduce_table(
    name: TableName,
    plan: TablePlan,
    experiment: Experiment,
    training: TrainingPlan,
    *,
    replicas: int = 200,
    scores_dir: Path | None = None,
    part: tuple[int, int] = (1, 1),
    on_stage: Callable[[str], None] | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> Table | None:
    """Train what is not trained yet, generate what is not generated yet, and score all of it.

    Encoders come one after the other, the first seed of every method before the second of any. An encoder
    whose scores are kept needs neither its weights nor its takes again.

    Args:
        name: The table.
        plan: What it compares.
        experiment: The clips, the generator and the judges; its number of takes is the plan's.
        training: How encoders are trained.
        replicas: Resamplings for the intervals.
        scores_dir: Where scores are kept; None keeps none.
        part: ``(k, n)``: only every n-th encoder, from the k-th on, so that n processes or machines share the
            work.
        on_stage: Called with what begins.
        on_clip: Called with finished and all clips of the present step.

    Returns:
        The table; None where scores of other parts are still missing.

    Raises:
        CinefoleyError: As training and generating do. What is finished is kept.
    """
    experiment = replace(experiment, settings=replace(experiment.settings, num_takes=plan.takes))
    bench = _Bench(experiment, training, plan.views, replicas, ScoreFolder(scores_dir), on_stage, on_clip)
    found: dict[_Encoder, Mapping[View, KeptScores] | None] = {}
    skipped: dict[str, str] = {}
    for number, encoder in enumerate(_encoders(plan)):
        is_ours = number % part[1] == part[0] - 1
        try:
            found[encoder] = bench.scores(encoder, may_work=is_ours)
        except (MissingWeightsError, DependencyError) as exc:
            skipped[encoder.method.name] = str(exc)
    known = {encoder: views for encoder, views in found.items() if views is not None}
    if len(known) < len(found):
        return None
    some = next(iter(known.values()))[plan.views[0]]
    measured = [method for method in plan.methods if method.name not in skipped]
    return Table(
        name=name,
        scores={
            (view, method.name): average([v[view].scores for e, v in known.items() if e.method == method])
            for view in plan.views
            for method in measured
        },
        skipped=skipped,
        clips=some.clips,
        left_out=some.left_out,
        runs={encoder.name: views[plan.views[0]].run for encoder, views in known.items()},
        hours=sum(_seconds(views) for views in known.values()) / 3600,
        mixed=tuple(encoder.name for encoder, views in known.items() if len(_trainings(views)) > 1),
    )


def in_scored_dtype(
    experiment: Experiment, plan: TablePlan, scores_dir: Path, *, replicas: int = 200
) -> Experiment:
    """The experiment with the dtype in which the teacher of a table was scored, if it was.

    The methods of a table are compared in one dtype. So a table that a machine with bfloat16 began is found,
    printed and continued on one without.
    """
    for dtype in (experiment.dtype, torch.bfloat16, torch.float16, torch.float32):
        settings = replace(experiment.settings, num_takes=plan.takes)
        candidate = replace(experiment, dtype=dtype, settings=settings)
        decided = _decided(candidate, plan.views[0], {}, replicas)
        if ScoreFolder(scores_dir).read(f"teacher.{plan.views[0]}", decided) is not None:
            return replace(experiment, dtype=dtype)
    return experiment


def _decided(experiment: Experiment, view: View, encoder: Record, replicas: int) -> Record:
    """All that decides the scores of an encoder, ready for JSON."""
    return {"takes": experiment.describe(view), "encoder": encoder, "replicas": replicas}


def _encoders(plan: TablePlan) -> list[_Encoder]:
    return [
        _Encoder(method=method, seed=seed)
        for seed in range(plan.seeds)
        for method in plan.methods
        if seed == 0 or method.preset is not None
    ]


def _trainings(views: Mapping[View, KeptScores]) -> list[Record]:
    """The distinct trainings that views are of; scores of old know no weights, but the end of the log."""
    runs = [kept.run for kept in views.values()]
    key = "weights" if all("weights" in run for run in runs) else "last"
    return list({json.dumps(run.get(key), sort_keys=True): run for run in runs}.values())


def _seconds(views: Mapping[View, KeptScores]) -> float:
    """Of all trainings that views are of, and of the views."""
    trained = sum(float(run.get("last", {}).get("elapsed_s", 0.0)) for run in _trainings(views))
    return trained + sum(kept.seconds for kept in views.values())


class _Bench:
    """Scores of encoders: found, or made."""

    def __init__(
        self,
        experiment: Experiment,
        training: TrainingPlan,
        views: Sequence[View],
        replicas: int,
        kept: ScoreFolder,
        on_stage: Callable[[str], None] | None,
        on_clip: Callable[[int, int], None] | None,
    ) -> None:
        self._experiment, self._training, self._replicas = experiment, training, replicas
        self._views, self._kept = views, kept
        self._tell = on_stage or (lambda text: None)
        self._on_clip = on_clip

    def scores(self, encoder: _Encoder, *, may_work: bool) -> Mapping[View, KeptScores] | None:
        """In every view that is wanted; None where one is missing and may not be made."""
        trained = self._identity(encoder)
        decided = {view: _decided(self._experiment, view, trained, self._replicas) for view in self._views}
        names = {view: f"{encoder.name}.{view}" for view in self._views}
        found = {view: self._kept.read(names[view], decided[view]) for view in self._views}
        if None in found.values() and may_work:
            folder, run = self._train(encoder)
            for view in self._views:
                if found[view] is None:
                    self._tell(f"{view}: {encoder.name}")
                    found[view] = kept = self._measure(view, folder, run)
                    self._kept.write(names[view], decided[view], kept)
        known = {view: kept for view, kept in found.items() if kept is not None}
        return known if len(known) == len(self._views) else None

    @cached_property
    def _real(self) -> RealClips:
        self._tell("the real clips")
        teacher = load_part(self._experiment.model_folder / "video_encoder", VideoEncoder)
        return self._experiment.hear_real(teacher.to(self._experiment.device), on_clip=self._on_clip)

    def _measure(self, view: View, folder: Path | None, run: Record) -> KeptScores:
        real = self._real
        takes = self._experiment.measure(real, view, folder or "teacher", on_clip=self._on_clip)
        return KeptScores(
            scores=score_method(real, takes, replicas=self._replicas),
            clips=len(real),
            left_out=real.ledger,
            seconds=takes.seconds,
            run=run,
        )

    def _train(self, encoder: _Encoder) -> tuple[Path | None, Record]:
        """The encoder's folder, trained where it is not yet, and how; None is the teacher."""
        method = encoder.method
        if method.preset is None:
            return None, {}
        run_dir = self._training.runs_dir / encoder.name
        if not (run_dir / "video_encoder").is_dir():
            self._tell(f"training {run_dir.name}")
        # a finished run costs no step, and one of other settings is refused
        train = distill if method.has_teacher else train_without_teacher
        settings = _student_settings(method.preset, self._experiment, self._training, encoder.seed, run_dir)
        result = train(self._training.source, settings)
        folder = run_dir / "video_encoder"
        run = json.loads((run_dir / "run.json").read_bytes()) | {"last": dict(result.last)}
        run.pop("init")  # a path of this machine; the digests say what it began with
        wanted = self._training.overrides.get("precision", "auto")
        if wanted not in ("auto", run["arithmetic"]):
            raise CheckpointMismatchError(
                f"{run_dir}: was trained in {run['arithmetic']}, this asks for {wanted}. Leave --precision "
                "out, or name another folder with -o."
            )
        return folder, run | {"weights": digest_of_part(folder)}

    def _identity(self, encoder: _Encoder) -> Record:
        """All that decides an encoder, ready for JSON."""
        method, training = encoder.method, self._training
        if method.preset is None:
            return {}
        recipe = distillation(method.preset)
        overrides = {**training.overrides, "seed": encoder.seed}
        return {
            "has_teacher": method.has_teacher,
            "recipe": json.loads(json.dumps(asdict(recipe))),
            "train": asdict(recipe.schedule.train_config(len(training.source), **overrides)),
            "clips": self._training_clips,
            "clip_s": training.clip_s,
            "audio_encoder": None
            if method.has_teacher
            else digest_of_part(self._experiment.model_folder / "audio_encoder"),
        }

    @cached_property
    def _training_clips(self) -> str:
        source, cache = self._training.source, self._training.cache_dir
        with claimed_cache(cache), FileDigests(cache / "digests.jsonl") as digests:
            return hashlib.sha256("\n".join(source.fingerprints(digests.sha256)).encode()).hexdigest()


def _student_settings(
    preset: DistillationPreset, experiment: Experiment, training: TrainingPlan, seed: int, run_dir: Path
) -> DistillSettings:
    return DistillSettings(
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
