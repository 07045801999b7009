"""Report of the film-language table: scores, what each technique costs the teacher, and what is recovered."""

from collections.abc import Iterator, Sequence

from cinefoley.evaluation.paper.formatting import interval_text, number
from cinefoley.evaluation.paper.method_scores import METRICS, recovered_share
from cinefoley.evaluation.paper.table_report import score_rows
from cinefoley.evaluation.paper.tables import Table
from cinefoley.evaluation.scores import Score, combine, difference
from cinefoley.evaluation.views import FILM_VIEWS, VIEW_NAMES, View

__all__ = ["LEAST_COST", "film_costs", "render_film_table"]

LEAST_COST = 0.05
"""Alignment accuracy that a technique must cost the teacher for a recovered share to mean something."""

_METRIC = "Align Acc"
_COST_NOTE = (
    "Cost: the teacher's alignment accuracy in full view less that with the technique, in points. Recovered: "
    "the share of it that a method wins back on the same clips; shown where the cost is 5 points or more. "
    "95 % intervals over clips, paired."
)


def render_film_table(table: Table, protocol: str, *, title: str, note: str | None = None) -> str:
    """Markdown: every score with intervals, costs and recovered shares, and the protocol line.

    Args:
        table: The scores; methods beside the teacher are its own and entries of others.
        protocol: One line with all that the numbers depend on.
        title: The heading.
        note: A paragraph below it.
    """
    metrics = [name for name in METRICS if any(name in scores for scores in table.scores.values())]
    parts = [f"# {title}", *([note] if note else []), "\n".join(score_rows(table, metrics))]
    parts += [f"{name}: skipped. {why}" for name, why in table.skipped.items()]
    rows = list(_cost_rows(table))
    if len(rows) > 2:
        parts += ["## What each technique costs, and what is recovered", _COST_NOTE, "\n".join(rows)]
    parts.append(f"Protocol: {protocol}.")
    return "\n\n".join(parts) + "\n"


def film_costs(table: Table, view: View) -> tuple[Score, dict[str, Score]]:
    """What a technique costs the teacher in alignment accuracy, and the share that each method recovers.

    Returns:
        The cost, in [-1, 1]; and by method the share, skipped where the cost is under 5 points.
    """
    full, here = table.scores["full", "teacher"][_METRIC], table.scores[view, "teacher"][_METRIC]
    cost = combine(_METRIC, [full, here], difference)
    shares: dict[str, Score] = {}
    for method in _methods(table, view):
        mine = table.scores[view, method][_METRIC]
        if cost.value is None or cost.value < LEAST_COST:
            shares[method] = Score(skipped="the technique costs the teacher less than 5 points")
        else:
            shares[method] = combine(_METRIC, [mine, here, full], recovered_share)
    return cost, shares


def _cost_rows(table: Table) -> Iterator[str]:
    methods = list(dict.fromkeys(method for _, method in table.scores if method != "teacher"))
    yield "| technique | cost, points | " + " | ".join(f"{name}: recovered, %" for name in methods) + " |"
    yield "| --- " * (2 + len(methods)) + "|"
    for view in FILM_VIEWS[1:]:
        if {("full", "teacher"), (view, "teacher")} <= table.scores.keys():
            cost, shares = film_costs(table, view)
            cells = [_cell(shares.get(name, Score())) for name in methods]
            yield f"| {VIEW_NAMES[view]} | {_cell(cost)} | " + " | ".join(cells) + " |"


def _methods(table: Table, view: View) -> Sequence[str]:
    return [method for known, method in table.scores if known == view and method != "teacher"]


def _cell(score: Score) -> str:
    return "-" if score.value is None else f"{number(score.value, 100.0)} [{interval_text(score, 100.0)}]"
