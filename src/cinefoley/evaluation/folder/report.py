"""Report an evaluation as JSON, text, Markdown or LaTeX, each table with its protocol line."""

from collections.abc import Mapping, Sequence
from typing import Any

from cinefoley.evaluation.folder.evaluate import Evaluation
from cinefoley.evaluation.scores import Score, score_as_json
from cinefoley.evaluation.text_table import Format, write_table

__all__ = ["Format", "as_json", "protocol_line", "render"]


def protocol_line(evaluation: Evaluation) -> str:
    """One line with all that the numbers depend on."""
    return "protocol: " + "; ".join(
        f"{name.removesuffix('_s').replace('_', ' ')} {_plain(value)}{' s' if name.endswith('_s') else ''}"
        for name, value in evaluation.protocol.items()
    )


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Everything but resampled numbers, ready for JSON."""
    return {
        "protocol": dict(evaluation.protocol),
        "scores": _as_json(evaluation.scores),
        "against": _as_json(evaluation.against),
        "differences": _as_json(evaluation.differences),
        "categories": {name: _as_json(scores) for name, scores in evaluation.categories.items()},
        "left_out": [
            {"file": str(entry.path), "side": entry.side, "reason": entry.reason}
            for entry in evaluation.left_out
        ],
    }


def render(evaluation: Evaluation, format: Format = "text") -> str:
    """Tables, each with the protocol line below it."""
    tables = [_main_table(evaluation)]
    if evaluation.categories:
        tables.append(_category_table(evaluation.categories, ["clips", *evaluation.scores]))
    line = protocol_line(evaluation)
    parts = [
        write_table(table, format) + ("\n" if format == "text" else "\n\n") + _note(line, format)
        for table in tables
    ]
    skipped = [f"{metric}: {score.skipped}" for metric, score in evaluation.scores.items() if score.skipped]
    parts += [_note("; ".join(skipped), format)] if skipped else []
    return "\n\n".join(parts)


def _main_table(evaluation: Evaluation) -> list[list[str]]:
    has_other = bool(evaluation.against)
    head = ["metric", "value", "95 % interval", "spread"]
    rows = [head + (["against", "difference", "95 % of it"] if has_other else [])]
    for metric, score in evaluation.scores.items():
        scale = _scale(metric)
        row = [
            _label(metric),
            _number(score.value, scale),
            _interval(score, scale),
            _number(score.spread, scale),
        ]
        if has_other:
            other, difference = (
                evaluation.against.get(metric, Score()),
                evaluation.differences.get(metric, Score()),
            )
            row += [
                _number(other.value, scale),
                _number(difference.value, scale),
                _interval(difference, scale),
            ]
        rows.append(row)
    return rows


def _category_table(categories: Mapping[str, Mapping[str, Score]], order: Sequence[str]) -> list[list[str]]:
    found = {metric for scores in categories.values() for metric in scores}
    metrics = [metric for metric in order if metric in found]
    rows = [["category", *(_label(metric) for metric in metrics)]]
    for name, scores in categories.items():
        values = [_number(scores.get(metric, Score()).value, _scale(metric)) for metric in metrics]
        values[0] = f"{scores['clips'].value:.0f}"
        rows.append([name, *values])
    return rows


def _note(text: str, format: Format) -> str:
    return "\n".join(f"% {line}" for line in text.splitlines()) if format == "latex" else text


def _scale(metric: str) -> float:
    return 1000.0 if metric.startswith("KID") else 1.0


def _label(metric: str) -> str:
    return f"{metric} x1000" if metric.startswith("KID") else metric


def _number(value: float | None, scale: float) -> str:
    return "-" if value is None else f"{scale * value:.4f}"


def _interval(score: Score, scale: float) -> str:
    if score.low is None or score.high is None:
        return "-"
    return f"{scale * score.low:.4f} to {scale * score.high:.4f}"


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} ({digest[:19]})" for name, digest in value.items())
    return str(value)


def _as_json(scores: Mapping[str, Score]) -> dict[str, Any]:
    return {metric: score_as_json(score) for metric, score in scores.items()}
