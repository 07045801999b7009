"""Test clips, model and training runs of ``cinefoley reproduce``, from its options."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from cinefoley.cli.progress import Preparation

if TYPE_CHECKING:
    from cinefoley.evaluation.paper.encoder_training import TrainingPlan
    from cinefoley.evaluation.paper.experiment import Experiment
    from cinefoley.evaluation.paper.tables import TableName, TablePlan

__all__ = ["Given", "check_part", "open_experiment", "table_plan", "training_plan"]

Given = dict[str, Any]
"""Values of the command's options, by parameter of :func:`cinefoley.cli.reproduce.reproduce`."""

_STAGE_CLIPS = 2048
_TAKES_ON_GPU = 64  # at once; a processor gains nothing beyond 16
_ALL = sys.maxsize  # test clips
_PAPER_TAKES = 10


def table_plan(name: "TableName", given: Given) -> "TablePlan":
    """What a table consists of, as far as the options choose it.

    Raises:
        BadParameter: If a view or a row is unknown.
    """
    from cinefoley.data.source_argument import is_stage
    from cinefoley.evaluation.paper.tables import FILM_LANGUAGE, TABLES

    plan = FILM_LANGUAGE if name == "film_language" else TABLES[name]
    if not is_stage(given["data"]):  # the paper's protocol; the plans' own numbers are for the stage
        plan = replace(plan, clips=_ALL, takes=_PAPER_TAKES)
    if given["quick"]:
        plan = replace(plan, clips=8, takes=1, seeds=1)
    chosen = {name: given[name] for name in ("clips", "takes", "seeds") if given[name] is not None}
    if given["limit"] is not None:
        chosen["clips"] = min(chosen.get("clips", plan.clips), given["limit"])
    views, methods = given["view"], given["method"]
    if views:
        _check_known("--view", views, plan.views)
        chosen["views"] = tuple(view for view in plan.views if view == "full" or view in views)
    if methods:
        _check_known("--method", methods, [method.name for method in plan.methods])
        chosen["methods"] = tuple(m for m in plan.methods if m.name == "teacher" or m.name in methods)
    return replace(plan, **chosen)


def check_part(name: str, part: tuple[int, int], plan: "TablePlan") -> None:
    """Reject more parts than the table has encoders: some would have nothing to do.

    Raises:
        BadParameter: If there are more.
    """
    count = len(plan.encoders())
    if part[1] > count:
        raise typer.BadParameter(
            f"--part {part[0]}/{part[1]}: {name} has {count} encoders, and no part is smaller than one. "
            "torchrun and --engine dask share every step among any number of processes."
        )


def open_experiment(plan: "TablePlan", given: Given) -> "Experiment":
    """Test clips, model, metrics and settings of a table.

    Raises:
        DataError: If there is no such dataset.
        WeightsError: If a network's weights are missing.
    """
    from cinefoley.data.events.event_file import EventFile
    from cinefoley.data.events.stage_events import stage_events
    from cinefoley.data.source_argument import find_event_file, has_splits, open_clip_source
    from cinefoley.evaluation.paper.experiment import Experiment, ExperimentSettings
    from cinefoley.metrics.alignment import AlignmentScorer
    from cinefoley.metrics.backbones.loading import load_backbone
    from cinefoley.metrics.backbones.segments import SegmentBackbone
    from cinefoley.models.folder import load_foley_config
    from cinefoley.pipelines.devices import choose_own_device, choose_shared_dtype
    from cinefoley.pipelines.loading import resolve_model

    folder = resolve_model(given["model"])
    is_stage = given["data"] == "stage"
    window_s = load_foley_config(folder).window_s
    source = open_clip_source(
        given["data"],
        csv=given["csv"],
        split="test" if has_splits(given["data"], given["csv"]) else None,
        count=plan.clips,
        duration_s=window_s,
    )
    event_file = find_event_file(given["data"], given["csv"], split="test")
    known = None if event_file is None else EventFile(event_file, until_s=window_s)
    names = given["backbone"] or (["lite"] if is_stage else ["panns", "vggish"])
    device = choose_own_device(given["device"])
    backbones = [load_backbone(name, device=device) for name in dict.fromkeys(names)]
    if "vggish" not in names:  # FAD compares segments
        backbones = [SegmentBackbone(backbones[0]), *backbones]
    is_cpu = device.type == "cpu"
    return Experiment(
        source=source,
        model=given["model"],
        model_folder=folder,
        alignment=AlignmentScorer.from_model(folder).eval().to(device),
        backbones=backbones,
        cache_dir=given["out"] / "work",
        settings=ExperimentSettings(
            num_inference_steps=8 if given["quick"] else given["num_inference_steps"],
            guidance_scale=given["guidance_scale"],
            quality=given["quality"],
            batch_size=16 if is_cpu else _TAKES_ON_GPU,
            clips_per_file=20 if is_cpu else _TAKES_ON_GPU,
        ),
        dtype=choose_shared_dtype(device, given["precision"]),
        device=device,
        events=known or stage_events,
        events_digest=known.digest if known else None,
        has_envelope=plan.has_envelope,
    )


def training_plan(given: Given, preparation: Preparation) -> "TrainingPlan":
    """Training clips and settings of a table's encoders.

    Args:
        given: Values of the command's options.
        preparation: Where progress is shown.

    Raises:
        DataError: If there is no such dataset.
    """
    from cinefoley.data.source_argument import has_splits, open_clip_source
    from cinefoley.evaluation.paper.encoder_training import TrainingPlan
    from cinefoley.models.folder import load_foley_config
    from cinefoley.pipelines.devices import choose_own_device
    from cinefoley.pipelines.loading import resolve_model

    is_stage = given["data"] == "stage"
    window_s = load_foley_config(resolve_model(given["model"])).window_s
    clip_s = window_s if is_stage else max(10.0, window_s)
    count = given["train_clips"] or (_STAGE_CLIPS if is_stage else None)
    count = 16 if given["quick"] and given["train_clips"] is None else count
    if given["limit"] is not None:
        count = min(count or given["limit"], given["limit"])
    source = open_clip_source(
        given["data"],
        csv=given["csv"],
        split="train" if has_splits(given["data"], given["csv"]) else None,
        count=count,
        duration_s=clip_s,
    )
    overrides: dict[str, Any] = {"precision": given["precision"]}
    if given["quick"]:
        overrides |= {"steps": 4, "batch_size": 8, "warmup_steps": 1}
    elif given["epochs"] is not None:
        overrides["epochs"] = given["epochs"]
    return TrainingPlan(
        source=source,
        runs_dir=given["out"] / ("quick-runs" if given["quick"] else "runs"),
        cache_dir=given["out"] / "work",
        clip_s=clip_s,
        workers=given["workers"],
        overrides=overrides,
        options={name: given[name] for name in ("scale_range", "max_grad_norm")},
        device=choose_own_device(given["device"]),
        shipped=given["student"],
        on_prepared=preparation.show,
        shows_progress=not given["quiet"],
    )


def _check_known(option: str, asked: Sequence[str], known: Sequence[str]) -> None:
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise typer.BadParameter(f"{option} is one of {', '.join(known)}; got {unknown[0]!r}.")
