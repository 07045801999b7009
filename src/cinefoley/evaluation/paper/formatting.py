"""Numbers of the paper's tables as text and JSON: units, scales, signs and intervals."""

from collections.abc import Mapping
from typing import Any

from cinefoley.evaluation.folder.scores import Score
from cinefoley.evaluation.stage.take_metrics import View

__all__ = ["LOWER_IS_BETTER", "VIEW_NAMES", "heading", "interval_text", "number", "scale_of", "score_as_json"]

VIEW_NAMES: Mapping[View, str] = {"full": "full view", "close_up": "CU", "camera_movement": "CM"}
"""Test sets as tables call them."""

LOWER_IS_BETTER = ("FAD", "FD", "KID", "KL", "off-screen energy")
"""Metrics that fall as takes get better."""

_PERCENT = ("Align Acc", "onset F1", "visible onset F1", "off-screen energy")


def heading(metric: str) -> str:
    """A column's heading: metric, unit, and which direction is better."""
    arrow = "lower" if metric in LOWER_IS_BETTER else "higher"
    unit = ", %" if metric in _PERCENT else ", x1000" if metric == "KID" else ""
    return f"{metric}{unit} ({arrow})"


def scale_of(metric: str) -> float:
    """What a metric is multiplied by where it is printed."""
    return 1000.0 if metric == "KID" else 100.0 if metric in _PERCENT else 1.0


def number(value: float | None, scale: float, sign: str = "") -> str:
    """A printed number; ``sign="+"`` for differences."""
    return "-" if value is None else f"{scale * value:{sign}.3f}"


def interval_text(score: Score, scale: float) -> str:
    """``low to high``, or ``-`` without an interval."""
    if score.low is None or score.high is None:
        return "-"
    return f"{scale * score.low:.3f} to {scale * score.high:.3f}"


def score_as_json(score: Score) -> dict[str, Any]:
    """A score without its resampled numbers."""
    keys = ("value", "spread", "low", "high", "skipped")
    return {key: value for key in keys if (value := getattr(score, key)) is not None}
