"""Film language: every technique, our encoders, and the sounds of other systems, in one table and figure."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cinefoley.cli.extras import check_extra
from cinefoley.cli.outputs import note, print_json, write_texts
from cinefoley.cli.progress import Preparation, step_bar
from cinefoley.cli.reproduction.protocol import protocol_line
from cinefoley.cli.reproduction.setup import Given, check_part, open_experiment, table_plan, training_plan
from cinefoley.cli.reproduction.tables import Steps, extent
from cinefoley.cli.training_run import check_unseen

if TYPE_CHECKING:
    from cinefoley.evaluation.paper.experiment import Experiment
    from cinefoley.evaluation.paper.tables import Table, TablePlan
    from cinefoley.evaluation.scores import Score
    from cinefoley.evaluation.views import View

__all__ = ["export_film_language", "film_language"]


def film_language(given: Given, part: tuple[int, int]) -> None:
    """Compute the table of film language, print it, and write it and its figure to the output folder.

    Args:
        given: Values of the command's options.
        part: Which part of the work to do, and of how many.

    Raises:
        DataError: If an entry lacks a sound.
    """
    from cinefoley.analysis.film_figure import draw_film_language
    from cinefoley.analysis.style import save_figure
    from cinefoley.cli.reproduction.cluster import cluster_measure
    from cinefoley.evaluation.paper.film_report import render_film_table
    from cinefoley.evaluation.paper.reproduction import match_scored_dtype, reproduce_table
    from cinefoley.evaluation.paper.table_report import table_as_json
    from cinefoley.evaluation.paper.tables import FILM_LANGUAGE
    from cinefoley.pipelines.ranks import rank

    check_extra("analysis")
    entries = _read_entries(given["entry"] or [])
    plan = table_plan("film_language", given)
    check_part("film_language", part, plan)
    out: Path = given["out"]
    with Preparation(is_wanted=not given["quiet"] and rank() == 0) as preparation:
        experiment, training = open_experiment(plan, given), training_plan(given, preparation)
        check_unseen(
            training.source,
            experiment.source,
            use="test with",
            remedy="Pass a split CSV with the splits train and test with --csv.",
        )
        steps = Steps(preparation, is_verbose=not given["quiet"] and rank() == 0)
        replicas = 0 if given["quick"] else given["bootstrap"]
        if given["precision"] == "auto":
            experiment = match_scored_dtype(experiment, plan, out / "scores", replicas=replicas)
        table = reproduce_table(
            "film_language",
            plan,
            experiment,
            training,
            replicas=replicas,
            scores_dir=out / "scores",
            part=part,
            cluster=cluster_measure("film_language", given, experiment),
            on_stage=steps.begin,
            on_clip=steps.advance,
        )
        if rank() != 0:
            return
        if table is None:
            print(f"film_language: part {part[0]}/{part[1]} is done.", file=sys.stderr)
            return
        table = _with_entries(table, plan, experiment, entries, replicas, steps)
    protocol = protocol_line(table, plan, experiment, training, given)
    kind, remark = extent(plan, FILM_LANGUAGE, given)
    text = render_film_table(table, protocol, title=f"Film language on {given['data']}", note=remark)
    report = table_as_json(table, protocol)
    name = f"film_language{kind}"
    write_texts(out, {f"{name}.md": text, f"{name}.json": json.dumps(report, indent=2) + "\n"})
    files = save_figure(draw_film_language(table), out / name) if len(plan.views) > 1 else ()
    if given["as_json"]:
        print_json(report)
        return
    typer.echo(text)
    for path in files:
        note(f"wrote {path}")


def export_film_language(given: Given) -> None:
    """Write the test sets as videos, for other systems to make sounds of.

    Args:
        given: Values of the command's options.

    Raises:
        OutputError: If the folder cannot be written.
    """
    from cinefoley.data.test_sets.video_set import build_test_set
    from cinefoley.models.folder import load_foley_config
    from cinefoley.pipelines.loading import resolve_model
    from cinefoley.stage.export import ExportSettings, export_clips
    from cinefoley.variations.techniques import technique

    if given["data"] != "stage":
        raise typer.BadParameter(
            "--export is for the Foley stage; build test sets of other clips with `cinefoley vary`."
        )
    plan = table_plan("film_language", given)
    folder: Path = given["out"] / "film_language"
    settings = ExportSettings(
        split="test", duration_s=load_foley_config(resolve_model(given["model"])).window_s
    )
    with step_bar("full view", is_wanted=not given["quiet"]) as step:
        written = export_clips(
            folder / "full",
            plan.clips,
            settings,
            workers=given["workers"],
            on_clip=lambda done: step(done, plan.clips),
        )
    for view in plan.views[1:]:
        note(f"test set {view}")
        build_test_set(written.list_path, folder / view, technique(view), jobs=given["workers"])
        typer.echo(folder / view / "clips")


def _read_entries(texts: Sequence[str]) -> dict[str, Path]:
    entries: dict[str, Path] = {}
    for text in texts:
        name, _, folder = text.partition("=")
        if not name or not folder or name in ("teacher", "paper", "shipped", *entries):
            raise typer.BadParameter(f"--entry is NAME=FOLDER with a name of its own, got {text!r}.")
        if not Path(folder).is_dir():
            raise typer.BadParameter(f"--entry {name}: {folder} is no folder.")
        entries[name] = Path(folder)
    return entries


def _with_entries(
    table: "Table",
    plan: "TablePlan",
    experiment: "Experiment",
    entries: dict[str, Path],
    replicas: int,
    steps: Steps,
) -> "Table":
    """The table with a row for each entry in each test set of which its folder has sounds."""
    from cinefoley.evaluation.paper.entries import describe_entry, measure_entry
    from cinefoley.evaluation.paper.method_scores import score_method
    from cinefoley.evaluation.paper.score_store import EncoderScores, ScoreStore
    from cinefoley.models.folder import load_part
    from cinefoley.models.video_encoder import VideoEncoder

    if not entries:
        return table
    teacher = load_part(experiment.model_folder / "video_encoder", VideoEncoder).to(experiment.device)
    steps.begin("the real clips")
    real = experiment.read_real(teacher, on_clip=steps.advance)
    store = ScoreStore(experiment.cache_dir.parent / "scores")
    found: dict[tuple[View, str], Mapping[str, Score]] = {}
    for name, folder in entries.items():
        for view in plan.views:
            if not (folder / view).is_dir():
                continue
            key = {
                "takes": experiment.describe(view),
                "entry": describe_entry(folder / view, real.ids),
                "replicas": replicas,
            }
            scores = store.read(f"entry-{name}.{view}", key)
            if scores is None:
                steps.begin(f"{view}: {name}")
                takes = measure_entry(experiment, real, view, folder / view)
                scores = EncoderScores(
                    scores=score_method(real, takes, replicas=replicas), clips=len(real), left_out=real.ledger
                )
                store.write(f"entry-{name}.{view}", key, scores)
            found[view, name] = scores.scores
    order = {view: place for place, view in enumerate(plan.views)}
    ordered = sorted([*table.scores.items(), *found.items()], key=lambda item: order[item[0][0]])
    return replace(table, scores=dict(ordered))
