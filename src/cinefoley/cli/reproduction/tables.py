"""Tables 1, 3 and 4: compute, print and write them."""

import json
import sys
from typing import TYPE_CHECKING

import typer

from cinefoley.cli.outputs import print_json, write_texts
from cinefoley.cli.progress import Preparation
from cinefoley.cli.reproduction.protocol import protocol_line
from cinefoley.cli.reproduction.setup import Given, check_part, open_experiment, table_plan, training_plan
from cinefoley.cli.training_run import check_unseen

if TYPE_CHECKING:
    from cinefoley.evaluation.paper.tables import TableName, TablePlan

__all__ = ["Steps", "extent", "reproduce_tables"]

_QUICK = "Smoke run: a few clips and steps. It shows that every step works; its numbers mean nothing."


def reproduce_tables(given: Given, part: tuple[int, int]) -> None:
    """Compute tables, print them and write them to the output folder.

    Args:
        given: Values of the command's options.
        part: Which part of the work to do, and of how many; a table is printed if all parts are complete.
    """
    from cinefoley.cli.reproduction.cluster import cluster_measure
    from cinefoley.evaluation.paper.reproduction import match_scored_dtype, reproduce_table
    from cinefoley.evaluation.paper.table_report import render_table, table_as_json
    from cinefoley.evaluation.paper.tables import TABLES
    from cinefoley.pipelines.ranks import rank

    is_main = rank() == 0
    is_verbose = not given["quiet"] and is_main
    names: list[TableName] = list(TABLES) if given["table"] == "all" else [given["table"]]
    reports = []
    for name in names:
        plan = table_plan(name, given)
        check_part(name, part, plan)
        with Preparation(is_wanted=is_verbose) as preparation:
            experiment, training = open_experiment(plan, given), training_plan(given, preparation)
            check_unseen(
                training.source,
                experiment.source,
                use="test with",
                remedy="Pass a split CSV with the splits train and test with --csv.",
            )
            steps = Steps(preparation, is_verbose=is_verbose)
            replicas, scores_dir = 0 if given["quick"] else given["bootstrap"], given["out"] / "scores"
            if given["precision"] == "auto":
                experiment = match_scored_dtype(experiment, plan, scores_dir, replicas=replicas)
            table = reproduce_table(
                name,
                plan,
                experiment,
                training,
                replicas=replicas,
                scores_dir=scores_dir,
                part=part,
                cluster=cluster_measure(name, given, experiment),
                on_stage=steps.begin,
                on_clip=steps.advance,
            )
        if not is_main:
            continue
        if table is None:
            print(
                f"{name}: part {part[0]}/{part[1]} is done. When the scores of all parts are in "
                f"{scores_dir}, the command without --part prints the table.",
                file=sys.stderr,
            )
            continue
        protocol = protocol_line(table, plan, experiment, training, given)
        title = f"{name.capitalize().replace('e', 'e ', 1)} on {given['data']}"
        kind, note = extent(plan, TABLES[name], given)
        text = render_table(table, protocol, title=title, note=note)
        report = table_as_json(table, protocol)
        texts = {".md": text, ".json": json.dumps(report, indent=2) + "\n"}
        write_texts(given["out"], {f"{name}{kind}{suffix}": content for suffix, content in texts.items()})
        reports.append(report)
        if not given["as_json"]:
            typer.echo(text)
    if given["as_json"] and is_main:
        print_json(reports)


def extent(plan: "TablePlan", whole: "TablePlan", given: Given) -> tuple[str, str | None]:
    """File name suffix and note of an incomplete table, so that it does not overwrite a complete one."""
    kinds, notes = [], []
    if given["quick"]:
        kinds.append(".quick")
        notes.append(_QUICK)
    if given["limit"] is not None:
        kinds.append(".pilot")
        notes.append(f"Pilot: the first {given['limit']} training and test clips at most.")
    missing: list[str] = [view for view in whole.views if view not in plan.views]
    missing += [method.name for method in whole.methods if method not in plan.methods]
    if missing:
        kinds.append(".partial")
        notes.append(f"Part of the table, without {', '.join(missing)}.")
    return "".join(kinds), " ".join(notes) or None


class Steps:
    """Reports progress on stderr."""

    def __init__(self, preparation: Preparation, *, is_verbose: bool) -> None:
        self._preparation, self._is_verbose = preparation, is_verbose
        self._what = ""

    def begin(self, what: str) -> None:
        """A training run, or the evaluation of an encoder on a view."""
        self._what = what
        if self._is_verbose:
            print(what, file=sys.stderr, flush=True)

    def advance(self, done: int, total: int) -> None:
        """Finished clips, of all clips."""
        self._preparation.show(self._what, done, total)
