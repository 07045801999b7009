"""``cinefoley reproduce``: the paper's tables, each with one command."""

import json
import math
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli import training_options as options
from cinefoley.cli.evaluate import FEWEST_RESAMPLINGS
from cinefoley.cli.figure4 import figure4
from cinefoley.cli.figure5 import figure5
from cinefoley.cli.figure6 import figure6
from cinefoley.cli.training_run import Preparation, check_unseen, data_name

if TYPE_CHECKING:
    from cinefoley.evaluation.paper.experiment import Experiment
    from cinefoley.evaluation.paper.reproduction import Table, TableName, TablePlan, TrainingPlan

__all__ = ["reproduce"]

_STAGE_CLIPS = 2048
_BACKBONES = ("panns", "vggish", "lite")
_TAKES_ON_GPU = 64  # at once; a processor gains nothing beyond 16
_QUICK = "Smoke run: a few clips, a few steps. It shows that the chain works, and its numbers mean nothing."
_QUICK_DECIDES = ("epochs", "num_inference_steps", "replicas")
_Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[STUDY.toml|CLIP...]",
        help="For table2 the study whose votes stand beside the paper's; for figure4 and figure6 films, "
        "or none: the stage. stage:N is the stage's test clip N, for figure4.",
    ),
]
_Views = Annotated[
    list[str] | None,
    typer.Option(
        metavar="full|close_up|camera_movement",
        help="Only this test set, beside the whole clips that it is compared with; may be repeated. "
        "Default: all three.",
        show_default=False,
    ),
]
_Methods = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Only this row, beside the teacher's, such as student or f_cu; may be repeated. Default: all of "
        "the table's.",
        show_default=False,
    ),
]
_SAID = {"out", "model", "num_inference_steps", "guidance_scale", "as_json", "quiet"}
_OF_FIGURES: dict[str, set[str]] = {
    "table2": {"out", "quiet"},
    "figure4": _SAID | {"student"},
    "figure5": _SAID
    | {"student", "data", "csv", "backbone", "clips", "takes", "quick", "precision", "device"},
    "figure6": _SAID | {"student", "data", "clips", "quick"},
}
"""The options that each uses; the other tables use all but --student."""


def reproduce(
    context: typer.Context,
    table: Annotated[
        Literal["table1", "table2", "table3", "table4", "figure4", "figure5", "figure6", "all"],
        typer.Argument(help="Which of the tables or figures; all are the tables of numbers, 1, 3 and 4."),
    ],
    files: _Files = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Tables, trained encoders, and finished work; table2 needs none.",
            show_default=False,
        ),
    ] = None,
    data: options.Data = "stage",
    csv: options.Csv = None,
    model: Annotated[
        str, typer.Option(metavar="NAME|DIR|HUB-ID", help="Teacher, generator and alignment classifier.")
    ] = "lite",
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="panns, vggish, lite. Default: lite on the stage, else panns and vggish.",
            show_default=False,
        ),
    ] = None,
    student: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="For figures: a video_encoder/. Default: the model's own (figure5: table1's).",
            show_default=False,
        ),
    ] = None,
    clips: Annotated[
        int | None,
        typer.Option(min=2, metavar="N", help="Test clips. Default: the table's.", show_default=False),
    ] = None,
    takes: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Takes of each. Default: the table's.", show_default=False),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Training seeds. Default: the table's.", show_default=False),
    ] = None,
    view: _Views = None,
    method: _Methods = None,
    train_clips: Annotated[
        int | None,
        typer.Option(
            min=2, metavar="N", help="Training clips. Default: all; 2048 of the stage.", show_default=False
        ),
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(metavar="N", help="Passes over them. Default: 25.", show_default=False)
    ] = None,
    num_inference_steps: Annotated[
        int, typer.Option("--steps", min=1, metavar="N", help="Denoiser calls.")
    ] = 25,
    guidance_scale: Annotated[
        float, typer.Option(min=0, metavar="SCALE", help="Strength of the film's influence.")
    ] = 4.5,
    replicas: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Resamplings for the 95 % intervals, 40 or more; 0 for none."),
    ] = 200,
    part: Annotated[
        str,
        typer.Option(
            metavar="K/N",
            help="The K-th of N processes or machines that share the work; their DIR/scores add up.",
        ),
    ] = "1/1",
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run of some minutes.")] = False,
    precision: Annotated[
        Literal["auto", "bf16", "fp32"], typer.Option(help="Arithmetic of training and generation.")
    ] = "auto",
    workers: options.Workers = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a table's whole chain: distil, cut close-ups and camera movements, generate, evaluate.

    table2 counts the votes of a listening test (`cinefoley study`) instead. figure4 draws clips as close-ups
    and under camera movements, with the sounds of teacher and student; figure5 shows where the student gains
    most on close-ups; figure6 is `cinefoley explain` for films, and on the stage counts how much heat lies on
    what sounds. Tables are printed beside the paper's, with their protocol lines, and written to DIR. What is
    finished is kept there, so the same command goes on where it was stopped, and tables share what they have
    in common.
    """
    _refuse_unused(context, table)
    _check_measures(backbone or [], replicas)
    named = files or []
    if (table == "table2" and len(named) != 1) or (named and table not in ("table2", "figure4", "figure6")):
        raise typer.BadParameter("table2 needs the file of its study, and no other table has one.")
    if table == "table2":
        _table2(named[0])
        return
    if out is None:
        raise typer.BadParameter("name a folder for tables and finished work with -o.")
    if table == "figure4":
        figure4(locals(), named)
        return
    if table == "figure6":
        figure6(locals(), named)
        return
    if table == "figure5":
        figure5(locals(), _figure5_experiment(locals()))
        return
    if epochs is not None and not 0 < epochs < math.inf:
        raise typer.BadParameter(f"--epochs must be positive and finite, got {epochs:g}.")
    _reproduce(locals(), _read_part(part))


def _refuse_unused(context: typer.Context, table: str) -> None:
    """An option that changes nothing would be believed to have changed something."""
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        is_given = source is not None and source.name == "COMMANDLINE"
        is_used = name in _OF_FIGURES[table] if table in _OF_FIGURES else name != "student"
        if is_given and not (is_used or name in ("table", "files")):
            raise typer.BadParameter(f"{table} does not use {parameter.opts[0]}; leave it out.")
        if is_given and context.params["quick"] and name in _QUICK_DECIDES:
            raise typer.BadParameter(f"--quick decides {parameter.opts[0]}; leave one of them out.")


def _check_measures(backbones: Sequence[str], replicas: int) -> None:
    unknown = [name for name in backbones if name not in _BACKBONES]
    if unknown:
        raise typer.BadParameter(f"--backbone is one of {', '.join(_BACKBONES)}; got {', '.join(unknown)}.")
    of_clips = sorted({*backbones} - {"vggish"})
    if len(of_clips) > 1:
        raise typer.BadParameter(
            f"--backbone {' and '.join(of_clips)} would both make FD, KID, KL and IS; name one."
        )
    if 0 < replicas < FEWEST_RESAMPLINGS:
        raise typer.BadParameter(
            f"a 95 % interval takes {FEWEST_RESAMPLINGS} resamplings; --replicas 0 for none."
        )


def _read_part(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
    if found is None or int(found[1]) > int(found[2]):
        raise typer.BadParameter(f"--part is K/N with K from 1 to N, such as 2/3; got {text!r}.")
    return int(found[1]), int(found[2])


def _table2(study: Path) -> None:
    from cinefoley.study.results import read_results
    from cinefoley.study.table2 import table2

    typer.echo(table2(read_results(study)))


def _reproduce(given: dict[str, Any], part: tuple[int, int]) -> None:
    from cinefoley.evaluation.paper.reproduction import TABLES, in_scored_dtype, reproduce_table
    from cinefoley.evaluation.paper.table_report import render_table, table_as_json
    from cinefoley.media.files.atomic_write import written_aside

    is_told = not given["quiet"]
    names: list[TableName] = list(TABLES) if given["table"] == "all" else [given["table"]]
    reports = []
    for name in names:
        plan = _plan(TABLES[name], given)
        with Preparation(is_wanted=is_told) as preparation:
            experiment, training = _experiment(plan, given), _training(given, preparation)
            check_unseen(
                training.source,
                experiment.source,
                use="test with",
                remedy="Give a list whose rows name the splits train and test with --csv.",
            )
            steps = _Steps(preparation, is_told=is_told)
            replicas, scores_dir = 0 if given["quick"] else given["replicas"], given["out"] / "scores"
            if given["precision"] == "auto":
                experiment = in_scored_dtype(experiment, plan, scores_dir, replicas=replicas)
            table = reproduce_table(
                name,
                plan,
                experiment,
                training,
                replicas=replicas,
                scores_dir=scores_dir,
                part=part,
                on_stage=steps.begin,
                on_clip=steps.advance,
            )
        if table is None:
            print(
                f"{name}: part {part[0]}/{part[1]} is done. Once the scores of all parts lie in "
                f"{given['out'] / 'scores'}, the command without --part prints the table.",
                file=sys.stderr,
            )
            continue
        protocol = _protocol(table, plan, experiment, training, given)
        title = f"{name.capitalize().replace('e', 'e ', 1)} on {given['data']}"
        kind, note = _extent(plan, TABLES[name], is_quick=given["quick"])
        text = render_table(table, protocol, title=title, note=note)
        report = table_as_json(table, protocol)
        for suffix, content in ((".md", text), (".json", json.dumps(report, indent=2) + "\n")):
            with written_aside(given["out"] / f"{name}{kind}{suffix}") as temporary:
                temporary.write_text(content, encoding="utf-8")
        reports.append(report)
        if not given["as_json"]:
            typer.echo(text)
    if given["as_json"]:
        typer.echo(json.dumps(reports, indent=2))


def _extent(plan: "TablePlan", whole: "TablePlan", *, is_quick: bool) -> tuple[str, str | None]:
    """What the file of less than a table is called, so that it replaces no table, and what it says of it."""
    kinds, notes = [], []
    if is_quick:
        kinds.append(".quick")
        notes.append(_QUICK)
    left_out: list[str] = [view for view in whole.views if view not in plan.views]
    left_out += [method.name for method in whole.methods if method not in plan.methods]
    if left_out:
        kinds.append(".partial")
        notes.append(f"A part of the table, without {', '.join(left_out)}.")
    return "".join(kinds), " ".join(notes) or None


class _Steps:
    """Says on stderr what is being done."""

    def __init__(self, preparation: Preparation, *, is_told: bool) -> None:
        self._preparation, self._is_told = preparation, is_told
        self._what = ""

    def begin(self, what: str) -> None:
        """A training, or an encoder on a view."""
        self._what = what
        if self._is_told:
            print(what, file=sys.stderr, flush=True)

    def advance(self, done: int, total: int) -> None:
        """Clips of it."""
        self._preparation.tell(self._what, done, total)


def _plan(plan: "TablePlan", given: dict[str, Any]) -> "TablePlan":
    if given["quick"]:
        plan = replace(plan, clips=8, takes=1, seeds=1)
    chosen = {name: given[name] for name in ("clips", "takes", "seeds") if given[name] is not None}
    views, methods = given["view"], given["method"]
    if views:
        _check_known("--view", views, plan.views)
        chosen["views"] = tuple(view for view in plan.views if view == "full" or view in views)
    if methods:
        _check_known("--method", methods, [method.name for method in plan.methods])
        chosen["methods"] = tuple(m for m in plan.methods if m.preset is None or m.name in methods)
    return replace(plan, **chosen)


def _check_known(option: str, asked: Sequence[str], known: Sequence[str]) -> None:
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise typer.BadParameter(f"{option} is one of {', '.join(known)}; got {unknown[0]!r}.")


def _figure5_experiment(given: dict[str, Any]) -> "Experiment":
    """Table 1's clips and takes."""
    from cinefoley.evaluation.paper.reproduction import TABLES

    plan = _plan(TABLES["table1"], given)
    experiment = _experiment(plan, given)
    return replace(experiment, settings=replace(experiment.settings, num_takes=plan.takes))


def _experiment(plan: "TablePlan", given: dict[str, Any]) -> "Experiment":
    from cinefoley.data.events.event_file import EventFile
    from cinefoley.data.events.stage_events import stage_events
    from cinefoley.data.source_argument import find_event_file, has_splits, open_clip_source
    from cinefoley.evaluation.paper.experiment import Experiment, ExperimentSettings
    from cinefoley.metrics.alignment import AlignmentJudge
    from cinefoley.metrics.backbones.loading import load_backbone
    from cinefoley.metrics.backbones.segments import SegmentBackbone
    from cinefoley.models.folder import load_foley_config
    from cinefoley.pipelines.devices import choose_device, choose_shared_dtype
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
    told = find_event_file(given["data"], given["csv"], split="test")
    of_films = None if told is None else EventFile(told, until_s=window_s)
    names = given["backbone"] or (["lite"] if is_stage else ["panns", "vggish"])
    device = choose_device(given["device"])
    backbones = [load_backbone(name, device=device) for name in dict.fromkeys(names)]
    if "vggish" not in names:  # FAD is about segments
        backbones = [SegmentBackbone(backbones[0]), *backbones]
    is_cpu = device.type == "cpu"
    return Experiment(
        source=source,
        model=given["model"],
        model_folder=folder,
        judge=AlignmentJudge.from_model(folder).eval().to(device),
        backbones=backbones,
        cache_dir=given["out"] / "work",
        settings=ExperimentSettings(
            num_inference_steps=8 if given["quick"] else given["num_inference_steps"],
            guidance_scale=given["guidance_scale"],
            batch_size=16 if is_cpu else _TAKES_ON_GPU,
            clips_per_file=20 if is_cpu else _TAKES_ON_GPU,
        ),
        dtype=choose_shared_dtype(device, given["precision"]),
        device=device,
        events=of_films or stage_events,
        events_digest=of_films.digest if of_films else None,
    )


def _training(given: dict[str, Any], preparation: Preparation) -> "TrainingPlan":
    from cinefoley.data.source_argument import has_splits, open_clip_source
    from cinefoley.evaluation.paper.reproduction import TrainingPlan
    from cinefoley.models.folder import load_foley_config
    from cinefoley.pipelines.devices import choose_device
    from cinefoley.pipelines.loading import resolve_model

    is_stage = given["data"] == "stage"
    window_s = load_foley_config(resolve_model(given["model"])).window_s
    clip_s = window_s if is_stage else max(10.0, window_s)
    count = given["train_clips"] or (_STAGE_CLIPS if is_stage else None)
    count = 16 if given["quick"] and given["train_clips"] is None else count
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
    workers = os.cpu_count() if given["workers"] is None else given["workers"]
    return TrainingPlan(
        source=source,
        runs_dir=given["out"] / ("quick-runs" if given["quick"] else "runs"),
        cache_dir=given["out"] / "work",
        clip_s=clip_s,
        workers=workers or 1,
        overrides=overrides,
        device=choose_device(given["device"]),
        on_prepared=preparation.tell,
        shows_progress=not given["quiet"],
    )


def _training_clips(table: "Table", training: "TrainingPlan") -> str:
    """How many clips there are, and how many of them could be used where some could not."""
    used = sorted({run["num_clips"] for run in table.runs.values() if "num_clips" in run})
    count = len(training.source)
    if used in ([], [count]):
        return f"{count} training clips"
    span = f"{used[0]}" if len(used) == 1 else f"{used[0]} to {used[-1]}"
    return f"{count} training clips, of which {span} can be used"


def _arithmetic(table: "Table") -> str:
    """What encoders were trained in, as far as their runs have recorded it and are of one training."""
    known: dict[str, list[str]] = {}
    for name, run in table.runs.items():
        if "arithmetic" in run and name not in table.mixed:
            known.setdefault(run["arithmetic"], []).append(name)
    if len(known) == 1 and sum(map(len, known.values())) == sum(map(bool, table.runs.values())):
        return f", trained in {next(iter(known))}"
    return "".join(f", {', '.join(names)} trained in {kind}" for kind, names in sorted(known.items()))


def _optimisation(plan: "TablePlan", training: "TrainingPlan") -> str:
    """How encoders were optimised: as most rows are, and then those that differ."""
    from cinefoley.config.training import OPTIMIZERS
    from cinefoley.distillation.presets import distillation

    ways: dict[str, list[str]] = {}
    for method in plan.methods:
        if method.preset is not None:
            schedule = distillation(method.preset).schedule
            config = schedule.train_config(len(training.source), **training.overrides)
            way = f"{OPTIMIZERS[config.optimizer]} at {config.learning_rate:g}, {config.batch_size} at a time"
            ways.setdefault(way, []).append(method.name)
    first, *others = ways or [""]  # the teacher alone was not trained here
    return ", " * bool(ways) + first + "".join(f" ({', '.join(ways[way])}: {way})" for way in others)


def _told_by(experiment: "Experiment") -> str:
    """Where events are written down, if they are."""
    from cinefoley.data.events.event_file import EventFile

    return f" of {experiment.events.name}" if isinstance(experiment.events, EventFile) else ""


def _protocol(
    table: "Table",
    plan: "TablePlan",
    experiment: "Experiment",
    training: "TrainingPlan",
    given: dict[str, Any],
) -> str:
    from cinefoley import __version__
    from cinefoley.evaluation.folder.protocols import PROTOCOLS

    settings, epsilon = experiment.settings, PROTOCOLS["cinefoley"].kl_epsilon
    backbones = ", ".join(f"{b.name} (sha256:{b.digest[:12]})" for b in experiment.backbones)
    steps, epochs = (training.overrides.get(name) for name in ("steps", "epochs"))
    # 25 is what every preset has
    length = f"{steps} steps on" if steps else f"{epochs or 25:g} epochs of"
    takes = "1 take" if plan.takes == 1 else f"{plan.takes} takes"
    seeds = "1 training seed"
    if plan.seeds > 1:
        seeds = f"{plan.seeds} training seeds, whose mean is shown (± their standard deviation)"
    return (
        f"data {data_name(given)}; {table.clips} test clips, {takes}, the same noise for every method; "
        f"windows of seed {settings.window_seed}; {length} {_training_clips(table, training)}"
        f"{_optimisation(plan, training)}, {seeds}{_arithmetic(table)}; generator "
        f"{given['model']}, {settings.num_inference_steps} steps, guidance {settings.guidance_scale:g}, "
        f"{experiment.dtype}; Align Acc by the model's classifier, of the generated mel, posterior mean, "
        f"beside the teacher's features of the whole clip; onsets within ±100 ms{_told_by(experiment)}; "
        f"backbones {backbones}; "
        f"sounds: mean of channels, one window, silent takes kept; KL with epsilon {epsilon:g}; "
        f"intervals over clips, paired, {0 if given['quick'] else given['replicas']} resamplings; "
        f"cinefoley {__version__}; {date.today()}; {table.hours:.2f} hours of computing"
    )
