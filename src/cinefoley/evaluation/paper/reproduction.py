"""Reproduce a table of the paper: train, generate and score what has no scores yet, average over seeds."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch

from cinefoley.data.json_lines import Record
from cinefoley.errors import DependencyError, MissingWeightsError
from cinefoley.evaluation.paper.encoder_training import EncoderTraining, TrainingPlan
from cinefoley.evaluation.paper.experiment import Experiment, RealClips
from cinefoley.evaluation.paper.method_scores import average, score_method
from cinefoley.evaluation.paper.score_store import EncoderScores, ScoreStore
from cinefoley.evaluation.paper.tables import Encoder, Table, TableName, TablePlan
from cinefoley.evaluation.views import View
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder

__all__ = ["match_scored_dtype", "reproduce_table"]


def reproduce_table(
    name: TableName,
    plan: TablePlan,
    experiment: Experiment,
    training: TrainingPlan,
    *,
    replicas: int = 200,
    scores_dir: Path | None = None,
    part: tuple[int, int] = (1, 1),
    cluster: Callable[[View, Path | None], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> Table | None:
    """Train and score every encoder of a table that has no scores yet, and average over training seeds.

    Args:
        name: The table.
        plan: What it compares.
        experiment: Clips, generator and metrics; its number of takes is the plan's.
        training: How encoders are trained.
        replicas: Bootstrap resamplings for the intervals.
        scores_dir: Folder of score files; None stores none. An encoder with scores there needs neither its
            weights nor its takes.
        part: ``(k, n)``: only every n-th encoder, from the k-th on, so that n processes or machines share the
            work.
        cluster: Called with a view and an encoder's folder (None: the teacher) before its takes are measured
            here: lets other machines do so.
        on_stage: Called with what begins.
        on_clip: Called with finished and all clips of the present step.

    Returns:
        The table; None if scores of other parts are still missing.

    Raises:
        CinefoleyError: If training or generation fails. Finished work stays.
    """
    experiment = replace(experiment, settings=replace(experiment.settings, num_takes=plan.takes))
    scorer = _EncoderScorer(
        experiment, training, plan.views, replicas, ScoreStore(scores_dir), cluster, on_stage, on_clip
    )
    found: dict[Encoder, Mapping[View, EncoderScores] | None] = {}
    skipped: dict[str, str] = {}
    for number, encoder in enumerate(plan.encoders()):
        is_ours = number % part[1] == part[0] - 1
        try:
            found[encoder] = scorer.scores(encoder, may_work=is_ours)
        except (MissingWeightsError, DependencyError) as exc:
            skipped[encoder.method.name] = str(exc)
    known = {encoder: views for encoder, views in found.items() if views is not None}
    if len(known) < len(found):
        return None
    first = next(iter(known.values()))[plan.views[0]]
    measured = [method for method in plan.methods if method.name not in skipped]
    return Table(
        name=name,
        scores={
            (view, method.name): average([v[view].scores for e, v in known.items() if e.method == method])
            for view in plan.views
            for method in measured
        },
        skipped=skipped,
        clips=first.clips,
        left_out=first.left_out,
        runs={encoder.name: views[plan.views[0]].run for encoder, views in known.items()},
        hours=sum(_seconds(views) for views in known.values()) / 3600,
        mixed=tuple(encoder.name for encoder, views in known.items() if len(_trainings(views)) > 1),
    )


def match_scored_dtype(
    experiment: Experiment, plan: TablePlan, scores_dir: Path, *, replicas: int = 200
) -> Experiment:
    """The experiment with the dtype in which the teacher of a table was scored, if it was.

    The methods of a table are compared in one dtype. So a table that a machine with bfloat16 began is found,
    printed and continued on one without.
    """
    for dtype in (experiment.dtype, torch.bfloat16, torch.float16, torch.float32):
        settings = replace(experiment.settings, num_takes=plan.takes)
        candidate = replace(experiment, dtype=dtype, settings=settings)
        key = _score_key(candidate, plan.views[0], {}, replicas)
        if ScoreStore(scores_dir).read(f"teacher.{plan.views[0]}", key) is not None:
            return replace(experiment, dtype=dtype)
    return experiment


def _score_key(experiment: Experiment, view: View, encoder: Record, replicas: int) -> Record:
    """All that decides the scores of an encoder, ready for JSON."""
    return {"takes": experiment.describe(view), "encoder": encoder, "replicas": replicas}


def _trainings(views: Mapping[View, EncoderScores]) -> list[Record]:
    """The distinct trainings that views are of; old score files hold the last log line, but no digest."""
    runs = [scores.run for scores in views.values()]
    key = "weights" if all("weights" in run for run in runs) else "last"
    return list({json.dumps(run.get(key), sort_keys=True): run for run in runs}.values())


def _seconds(views: Mapping[View, EncoderScores]) -> float:
    """Computing time of all trainings that views are of, and of the views."""
    trained = sum(float(run.get("last", {}).get("elapsed_s", 0.0)) for run in _trainings(views))
    return trained + sum(scores.seconds for scores in views.values())


class _EncoderScorer:
    """Scores of encoders in every view: read from the store, or computed."""

    def __init__(
        self,
        experiment: Experiment,
        training: TrainingPlan,
        views: Sequence[View],
        replicas: int,
        store: ScoreStore,
        cluster: Callable[[View, Path | None], None] | None,
        on_stage: Callable[[str], None] | None,
        on_clip: Callable[[int, int], None] | None,
    ) -> None:
        self._experiment, self._views, self._replicas, self._store = experiment, views, replicas, store
        self._training = EncoderTraining(training, experiment.model, experiment.model_folder)
        self._cluster = cluster
        self._report = on_stage or (lambda text: None)
        self._on_clip = on_clip

    def scores(self, encoder: Encoder, *, may_work: bool) -> Mapping[View, EncoderScores] | None:
        """In every wanted view; None if one is missing and may not be computed."""
        identity = self._training.identity(encoder)
        keys = {view: _score_key(self._experiment, view, identity, self._replicas) for view in self._views}
        names = {view: f"{encoder.name}.{view}" for view in self._views}
        found = {view: self._store.read(names[view], keys[view]) for view in self._views}
        if None in found.values() and may_work:
            if encoder.method.preset and not (self._training.run_dir(encoder) / "video_encoder").is_dir():
                self._report(f"training {encoder.name}")
            folder, run = self._training.train(encoder)
            for view in self._views:
                if found[view] is None:
                    self._report(f"{view}: {encoder.name}")
                    found[view] = scores = self._measure(view, folder, run)
                    self._store.write(names[view], keys[view], scores)
        known = {view: scores for view, scores in found.items() if scores is not None}
        return known if len(known) == len(self._views) else None

    @cached_property
    def _real(self) -> RealClips:
        self._report("the real clips")
        teacher = load_part(self._experiment.model_folder / "video_encoder", VideoEncoder)
        return self._experiment.read_real(teacher.to(self._experiment.device), on_clip=self._on_clip)

    def _measure(self, view: View, folder: Path | None, run: Record) -> EncoderScores:
        real = self._real
        if self._cluster is not None:
            self._cluster(view, folder)
        takes = self._experiment.measure(real, view, folder or "teacher", on_clip=self._on_clip)
        return EncoderScores(
            scores=score_method(real, takes, replicas=self._replicas),
            clips=len(real),
            left_out=real.ledger,
            seconds=takes.seconds,
            run=run,
        )
