"""Numbers of the paper's tables as text and JSON: units, scales, signs and intervals."""

from cinefoley.evaluation.scores import Score

__all__ = ["LOWER_IS_BETTER", "heading", "interval_text", "number", "scale_of"]

LOWER_IS_BETTER = ("FAD", "FD", "KID", "KL", "off-screen energy", "E-L1")
"""Metrics that fall as takes get better."""

_THOUSANDTHS = ("KID", "E-L1")
_PERCENT = ("Align Acc", "onset F1", "visible onset F1", "off-screen energy")


def heading(metric: str) -> str:
    """A column's heading: metric, unit, and which direction is better."""
    arrow = "lower" if metric in LOWER_IS_BETTER else "higher"
    unit = ", %" if metric in _PERCENT else ", x1000" if metric in _THOUSANDTHS else ""
    return f"{metric}{unit} ({arrow})"


def scale_of(metric: str) -> float:
    """Factor between a score and its printed number."""
    return 1000.0 if metric in _THOUSANDTHS else 100.0 if metric in _PERCENT else 1.0


def number(value: float | None, scale: float, sign: str = "") -> str:
    """A printed number; ``sign="+"`` for differences."""
    return "-" if value is None else f"{scale * value:{sign}.3f}"


def interval_text(score: Score, scale: float) -> str:
    """``low to high``, or ``-`` without an interval."""
    if score.low is None or score.high is None:
        return "-"
    return f"{scale * score.low:.3f} to {scale * score.high:.3f}"
