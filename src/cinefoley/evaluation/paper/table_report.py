"""A reproduced table for people: ours, the paper's beside it, what the paper claims, and the protocol."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cinefoley.config.published_results import PAPER_COLUMNS, PAPER_TABLES
from cinefoley.evaluation.folder.scores import DISTRIBUTION_METRICS, Score
from cinefoley.evaluation.paper.method_scores import METRICS, combine
from cinefoley.evaluation.paper.reproduction import VIEWS, Table
from cinefoley.evaluation.stage.take_metrics import View

__all__ = ["claims", "render_table", "table_as_json"]

_CONTRASTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "table1": (("student", "teacher"), ("student", "no teacher")),
    "table3": (("f_cu", "f_cm"), ("cinematic", "both"), ("cinematic", "teacher")),
    "table4": (("k = 75 %", "k = 50 %"), ("k = 75 %", "k = 100 %"), ("k = 75 %", "teacher")),
}
"""Methods of a table that are set against each other: the paper's, ours, and the teacher."""

_PAPER_NOTE = (
    "In brackets, ours less the paper's, which was measured on VGGSound by PANNs and VGGish. The protocol "
    "line says by what ours was; distances of other networks or data are on other scales."
)
_VIEW_NAMES: Mapping[View, str] = {"full": "full view", "close_up": "CU", "camera_movement": "CM"}
_PERCENT = ("Align Acc", "onset F1", "visible onset F1", "off-screen energy")
_LOWER_IS_BETTER = ("FAD", "FD", "KID", "KL", "off-screen energy")


def render_table(table: Table, protocol: str, *, title: str, note: str | None = None) -> str:
    """Markdown: our table with intervals, the paper's with the differences, and for Table 1 the claims.

    Args:
        table: What was measured.
        protocol: One line that says how.
        title: The heading.
        note: A paragraph under it, such as that this was a smoke run.
    """
    parts = [f"# {title}", *([note] if note else [])]
    metrics = [name for name in METRICS if any(name in scores for scores in table.scores.values())]
    parts.append("\n".join(_rows(table, metrics)))
    parts += [f"{name}: left out. {why}" for name, why in table.skipped.items()]
    parts += [
        f"{name}: its test sets were measured with different trainings of the same settings."
        for name in table.mixed
    ]
    parts += ["## The paper's", _PAPER_NOTE, "\n".join(_paper_rows(table))]
    if table.name == "table1" and (VIEWS[0], "student") in table.scores:
        parts += ["## What the paper claims, here", "\n".join(_claim_rows(table))]
    shares = list(_share_rows(table))
    if len(shares) > 2:
        parts += ["## Share of the teacher's loss that is recovered", "\n".join(shares)]
    for better, worse in _CONTRASTS[table.name]:
        if {(VIEWS[0], better), (VIEWS[0], worse)} <= table.scores.keys():
            parts += [f"## {better}, less {worse}", "\n".join(_contrast_rows(table, better, worse, metrics))]
    parts.append(f"Protocol: {protocol}.")
    return "\n\n".join(parts) + "\n"


def table_as_json(table: Table, protocol: str) -> dict[str, Any]:
    """Everything, ready for JSON; resampled numbers are left out."""
    return {
        "table": table.name,
        "protocol": protocol,
        "scores": [
            {"view": view, "method": method, **{name: _as_json(score) for name, score in scores.items()}}
            for (view, method), scores in table.scores.items()
        ],
        "claims": {name: _as_json(score) for name, score in claims(table).items()}
        if (VIEWS[0], "student") in table.scores
        else {},
        "skipped": dict(table.skipped),
        "hours": table.hours,
        "runs": dict(table.runs),
        "left_out": list(table.left_out),
        "mixed": list(table.mixed),
    }


def claims(table: Table) -> dict[str, Score]:
    """What Table 1 says of the student, as paired differences and shares, by name.

    ``recovered Align Acc, CU`` is ``(student - teacher) / (teacher in full view - teacher)`` on close-ups;
    ``FAD, CU`` and the like are student less teacher, so that less than 0 is better for the distances.
    """
    found: dict[str, Score] = {}
    full = table.scores["full", "teacher"]
    for view in _views(table)[1:]:
        teacher, student = table.scores[view, "teacher"], table.scores[view, "student"]
        for name in ("Align Acc", "visible onset F1"):
            if name in teacher:
                label = f"recovered {name}, {_VIEW_NAMES[view]}"
                found[label] = combine(name, [student[name], teacher[name], full[name]], _recovered)
        for name in DISTRIBUTION_METRICS:
            if name in teacher:
                label = f"{name}, {_VIEW_NAMES[view]}"
                found[label] = combine(name, [student[name], teacher[name]], _difference)
    for name in ("Align Acc", "visible onset F1"):
        if name in full:
            label = f"{name}, {_VIEW_NAMES['full']}"
            found[label] = combine(name, [table.scores["full", "student"][name], full[name]], _difference)
    return found


def _views(table: Table) -> list[View]:
    return [view for view in VIEWS if (view, "teacher") in table.scores]


def _recovered(student: float, teacher: float, full: float) -> float:
    return (student - teacher) / (full - teacher) if full != teacher else float("nan")


def _difference(mine: float, theirs: float) -> float:
    return mine - theirs


def _rows(table: Table, metrics: Sequence[str]) -> Iterator[str]:
    yield "| test set | method | " + " | ".join(map(_heading, metrics)) + " |"
    yield "| --- " * (2 + len(metrics)) + "|"
    for (view, method), scores in table.scores.items():
        cells = [_cell(name, scores.get(name, Score())) for name in metrics]
        yield f"| {_VIEW_NAMES[view]} | {method} | " + " | ".join(cells) + " |"


def _paper_rows(table: Table) -> Iterator[str]:
    """The paper's numbers, and in brackets ours less the paper's: other data, so no error, but a measure."""
    yield "| test set | method | " + " | ".join(map(_heading, PAPER_COLUMNS)) + " |"
    yield "| --- " * (2 + len(PAPER_COLUMNS)) + "|"
    for (view, method), numbers in PAPER_TABLES[table.name].items():
        ours = next((s for (v, m), s in table.scores.items() if (v, m) == (view, method)), {})
        cells = []
        for name, number in zip(PAPER_COLUMNS, numbers, strict=True):
            value = ours.get(name, Score()).value
            difference = "" if value is None else f" ({value * _scale(name) - number:+.3f})"
            cells.append(f"{number:.3f}{difference}")
        yield f"| {_VIEW_NAMES[next(v for v in VIEWS if v == view)]} | {method} | " + " | ".join(cells) + " |"


def _claim_rows(table: Table) -> Iterator[str]:
    yield "| student | value | 95 % interval |"
    yield "| --- | --- | --- |"
    for name, score in claims(table).items():
        if name.startswith("recovered"):
            yield f"| {name} | {_number(score.value, 100.0)} % | {_span(score, 100.0)} |"
            continue
        scale = _scale(name.rpartition(",")[0])
        value = _number(score.value, scale, "+")
        yield f"| {name}, less the teacher's | {value} | {_span(score, scale)} |"


def _share_rows(table: Table) -> Iterator[str]:
    """What every method wins back of what a window costs the teacher, and what it loses in full view."""
    names = [name for name in ("Align Acc", "visible onset F1") if name in table.scores[VIEWS[0], "teacher"]]
    shares = [(name, view) for name in names for view in _views(table)[1:]]
    titles = [f"{name}, {_VIEW_NAMES[view]}, %" for name, view in shares]
    titles += [f"{name}, full view, points" for name in names]
    yield "| method | " + " | ".join(titles) + " |"
    yield "| --- " * (1 + len(titles)) + "|"
    full = table.scores[VIEWS[0], "teacher"]
    for method in dict.fromkeys(method for _, method in table.scores if method != "teacher"):
        found = [
            combine(
                name,
                [table.scores[view, method][name], table.scores[view, "teacher"][name], full[name]],
                _recovered,
            )
            for name, view in shares
        ]
        found += [
            combine(name, [table.scores[VIEWS[0], method][name], full[name]], _difference) for name in names
        ]
        cells = [f"{_number(score.value, 100.0)} [{_span(score, 100.0)}]" for score in found]
        yield f"| {method} | " + " | ".join(cells) + " |"


def _contrast_rows(table: Table, better: str, worse: str, metrics: Sequence[str]) -> Iterator[str]:
    yield "| test set | " + " | ".join(map(_heading, metrics)) + " |"
    yield "| --- " * (1 + len(metrics)) + "|"
    for view in _views(table):
        ours, theirs = table.scores[view, better], table.scores[view, worse]
        cells = []
        for name in metrics:
            score = combine(name, [ours.get(name, Score()), theirs.get(name, Score())], _difference)
            scale = _scale(name)
            cells.append(f"{_number(score.value, scale, '+')} [{_span(score, scale)}]")
        yield f"| {_VIEW_NAMES[view]} | " + " | ".join(cells) + " |"


def _heading(name: str) -> str:
    arrow = "lower" if name in _LOWER_IS_BETTER else "higher"
    unit = ", %" if name in _PERCENT else ", x1000" if name == "KID" else ""
    return f"{name}{unit} ({arrow})"


def _cell(name: str, score: Score) -> str:
    if score.value is None:
        return "-"
    scale = _scale(name)
    span = "" if score.low is None else f" [{_span(score, scale)}]"
    seeds = "" if score.spread is None else f" ± {scale * score.spread:.2f}"
    return f"{scale * score.value:.3f}{seeds}{span}"


def _scale(name: str) -> float:
    return 1000.0 if name == "KID" else 100.0 if name in _PERCENT else 1.0


def _number(value: float | None, scale: float, sign: str = "") -> str:
    return "-" if value is None else f"{scale * value:{sign}.3f}"


def _span(score: Score, scale: float) -> str:
    if score.low is None or score.high is None:
        return "-"
    return f"{scale * score.low:.3f} to {scale * score.high:.3f}"


def _as_json(score: Score) -> dict[str, Any]:
    keys = ("value", "spread", "low", "high", "skipped")
    return {key: value for key in keys if (value := getattr(score, key)) is not None}
