"""Report a reproduced table: our numbers, the paper's, its claims, differences, and the protocol line."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from cinefoley.config.published_results import PAPER_COLUMNS, PAPER_TABLES
from cinefoley.evaluation.paper.claims import Claim, Outcome, claims
from cinefoley.evaluation.paper.formatting import heading, interval_text, number, scale_of
from cinefoley.evaluation.paper.method_scores import METRICS, recovered_share
from cinefoley.evaluation.paper.tables import Table
from cinefoley.evaluation.scores import Score, combine, difference, score_as_json
from cinefoley.evaluation.views import VIEW_NAMES, VIEWS, View

__all__ = ["render_table", "score_rows", "table_as_json"]

_CONTRASTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "table1": (("student", "teacher"), ("student", "no teacher")),
    "table3": (("f_cu", "f_cm"), ("cinematic", "both"), ("cinematic", "teacher")),
    "table4": (("k = 75 %", "k = 50 %"), ("k = 75 %", "k = 100 %"), ("k = 75 %", "teacher")),
}
"""Pairs of methods whose differences are printed: the paper's, ours, and the teacher."""

_PAPER_NOTE = (
    "In brackets: our number minus the paper's. The paper's were measured on VGGSound with PANNs and VGGish, "
    "ours as the protocol line says. Distances with other networks or data have other scales."
)
_CLAIM_NOTE = (
    "Held: the whole 95 % interval is on the side that the paper claims. Lost: it is on the other side. "
    "Differences are compared with 0, because data and backbones have other scales than the paper's."
)
_TABLE1_NOTE = (
    " Recovered shares, and the student's alignment accuracy in full view (where the paper's student is "
    "worse than its teacher), are compared with the paper's number. Where the paper prints no number, it "
    "claims in its text that training without a teacher is worse."
)


def render_table(table: Table, protocol: str, *, title: str, note: str | None = None) -> str:
    """Markdown: our table with intervals, the paper's with the differences, and its claims.

    Args:
        table: The scores.
        protocol: One line with all that the numbers depend on.
        title: The heading.
        note: A paragraph below it, for a smoke run, say.
    """
    parts = [f"# {title}", *([note] if note else [])]
    metrics = [name for name in METRICS if any(name in scores for scores in table.scores.values())]
    parts.append("\n".join(score_rows(table, metrics)))
    parts += [f"{name}: skipped. {why}" for name, why in table.skipped.items()]
    parts += [
        f"{name}: its test sets were measured with different trainings of the same settings."
        for name in table.mixed
    ]
    parts += ["## The paper's numbers", _PAPER_NOTE, "\n".join(_paper_rows(table))]
    if found := [claim for claim in claims(table) if claim.bound is not None]:
        parts += ["## What the paper claims, here", *_claim_parts(table, found)]
    shares = list(_share_rows(table))
    if len(shares) > 2:
        parts += ["## Share of the teacher's loss that is recovered", "\n".join(shares)]
    for better, worse in _CONTRASTS[table.name]:
        if {(VIEWS[0], better), (VIEWS[0], worse)} <= table.scores.keys():
            parts += [f"## {better} minus {worse}", "\n".join(_contrast_rows(table, better, worse, metrics))]
    parts.append(f"Protocol: {protocol}.")
    return "\n\n".join(parts) + "\n"


def table_as_json(table: Table, protocol: str) -> dict[str, Any]:
    """Everything but resampled numbers, ready for JSON."""
    return {
        "table": table.name,
        "protocol": protocol,
        "scores": [
            {"view": view, "method": method, **{name: score_as_json(score) for name, score in scores.items()}}
            for (view, method), scores in table.scores.items()
        ],
        "claims": {claim.name: claim.as_json() for claim in claims(table)}
        if table.name in PAPER_TABLES
        else {},
        "skipped": dict(table.skipped),
        "hours": table.hours,
        "runs": dict(table.runs),
        "left_out": list(table.left_out),
        "mixed": list(table.mixed),
    }


def _views(table: Table) -> list[View]:
    return [view for view in VIEWS if (view, "teacher") in table.scores]


def score_rows(table: Table, metrics: Sequence[str]) -> Iterator[str]:
    """Lines of a Markdown table: test set, method and metrics with intervals."""
    yield "| test set | method | " + " | ".join(map(heading, metrics)) + " |"
    yield "| --- " * (2 + len(metrics)) + "|"
    for (view, method), scores in table.scores.items():
        cells = [_cell(name, scores.get(name, Score())) for name in metrics]
        yield f"| {VIEW_NAMES[view]} | {method} | " + " | ".join(cells) + " |"


def _paper_rows(table: Table) -> Iterator[str]:
    """The paper's numbers, and in brackets ours minus the paper's."""
    yield "| test set | method | " + " | ".join(map(heading, PAPER_COLUMNS)) + " |"
    yield "| --- " * (2 + len(PAPER_COLUMNS)) + "|"
    for (view, method), numbers in PAPER_TABLES[table.name].items():
        ours = next((s for (v, m), s in table.scores.items() if (v, m) == (view, method)), {})
        cells = []
        for name, theirs in zip(PAPER_COLUMNS, numbers, strict=True):
            value = ours.get(name, Score()).value
            distance = "" if value is None else f" ({value * scale_of(name) - theirs:+.3f})"
            cells.append(f"{theirs:.3f}{distance}")
        yield f"| {VIEW_NAMES[next(v for v in VIEWS if v == view)]} | {method} | " + " | ".join(cells) + " |"


def _claim_parts(table: Table, found: Sequence[Claim]) -> Iterator[str]:
    """How many claims have which outcome, then one row a claim."""
    counts = Counter(claim.outcome for claim in found)
    summary = ", ".join(f"{counts[name]} {name}" for name in get_args(Outcome)[:4] if counts[name])
    note = _CLAIM_NOTE + (_TABLE1_NOTE if table.name == "table1" else "")
    yield f"{len(found)} claims: {summary}. {note}"
    rows = ["| claim | the paper | here | 95 % interval | outcome |", "| --- | --- | --- | --- | --- |"]
    for claim in found:
        is_share = claim.compared == "recovered"
        scale, sign, unit = (100.0, "", " %") if is_share else (scale_of(claim.metric), "+", "")
        cells = [
            number(value, scale, sign) + unit * (value is not None)
            for value in (claim.paper, claim.score.value)
        ]
        name = claim.name if is_share else f"{claim.compared}: {claim.metric}, {VIEW_NAMES[claim.view]}"
        rows.append(
            f"| {name} | {cells[0]} | {cells[1]} | {interval_text(claim.score, scale)} | {claim.outcome} |"
        )
    yield "\n".join(rows)


def _share_rows(table: Table) -> Iterator[str]:
    """The share of the teacher's loss that every method recovers, and its difference in full view."""
    names = [name for name in ("Align Acc", "visible onset F1") if name in table.scores[VIEWS[0], "teacher"]]
    shares = [(name, view) for name in names for view in _views(table)[1:]]
    titles = [f"{name}, {VIEW_NAMES[view]}, %" for name, view in shares]
    titles += [f"{name}, full view, points" for name in names]
    yield "| method | " + " | ".join(titles) + " |"
    yield "| --- " * (1 + len(titles)) + "|"
    full = table.scores[VIEWS[0], "teacher"]
    for method in dict.fromkeys(method for _, method in table.scores if method != "teacher"):
        found = [
            combine(
                name,
                [table.scores[view, method][name], table.scores[view, "teacher"][name], full[name]],
                recovered_share,
            )
            for name, view in shares
        ]
        found += [
            combine(name, [table.scores[VIEWS[0], method][name], full[name]], difference) for name in names
        ]
        cells = [f"{number(score.value, 100.0)} [{interval_text(score, 100.0)}]" for score in found]
        yield f"| {method} | " + " | ".join(cells) + " |"


def _contrast_rows(table: Table, better: str, worse: str, metrics: Sequence[str]) -> Iterator[str]:
    yield "| test set | " + " | ".join(map(heading, metrics)) + " |"
    yield "| --- " * (1 + len(metrics)) + "|"
    for view in _views(table):
        ours, theirs = table.scores[view, better], table.scores[view, worse]
        cells = []
        for name in metrics:
            score = combine(name, [ours.get(name, Score()), theirs.get(name, Score())], difference)
            scale = scale_of(name)
            cells.append(f"{number(score.value, scale, '+')} [{interval_text(score, scale)}]")
        yield f"| {VIEW_NAMES[view]} | " + " | ".join(cells) + " |"


def _cell(name: str, score: Score) -> str:
    if score.value is None:
        return "-"
    scale = scale_of(name)
    span = "" if score.low is None else f" [{interval_text(score, scale)}]"
    seeds = "" if score.spread is None else f" ± {scale * score.spread:.2f}"
    return f"{scale * score.value:.3f}{seeds}{span}"
