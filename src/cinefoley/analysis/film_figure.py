"""Figure of film language: one panel per technique, what it costs the teacher and what students recover."""

from typing import TYPE_CHECKING

from cinefoley.analysis.style import COLUMN_IN, styled
from cinefoley.evaluation.paper.tables import Table
from cinefoley.evaluation.views import FILM_VIEWS, VIEW_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_film_language"]

_COLUMNS = 4
_ROW_IN = 1.15
_COLORS = ("#d55e00", "#56b4e9", "#0072b2", "#009e73", "#cc79a7", "#f0e442")  # Okabe and Ito


def draw_film_language(
    table: Table, *, metric: str = "Align Acc", width_in: float = 2 * COLUMN_IN
) -> "Figure":
    """Draw a panel for each technique: a bar for each method with its 95 % interval.

    The dashed line is the teacher in full view: what the technique takes away is between it and the teacher's
    bar.

    Args:
        table: Scores of the teacher in full view, and of any methods in any views.
        metric: In [0, 1], drawn in per cent.
        width_in: Inches across.

    Raises:
        ValueError: If there is no technique to draw.
        ImportError: If matplotlib is missing.
    """
    from matplotlib.figure import Figure

    views = [view for view in FILM_VIEWS[1:] if (view, "teacher") in table.scores]
    if not views:
        raise ValueError("the table has no technique beside full view")
    methods = list(dict.fromkeys(method for _, method in table.scores))
    rows = -(-len(views) // _COLUMNS)
    full = table.scores["full", "teacher"][metric].value
    with styled():
        figure = Figure(figsize=(width_in, rows * _ROW_IN + 0.3), layout="constrained")
        panels = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False).ravel()
        for panel, view in zip(panels, views, strict=False):
            _draw_panel(panel, table, view, methods, metric)
            panel.set_title(VIEW_NAMES[view])
            if full is not None:
                panel.axhline(100 * full, color="#555555", linestyle="--", linewidth=0.6)
        for panel in panels[len(views) :]:
            panel.set_axis_off()
        handles = panels[0].containers
        figure.legend(handles, methods, loc="outside lower center", ncols=len(methods), frameon=False)
        figure.supylabel(f"{metric}, %", fontsize=7)
    return figure


def _draw_panel(panel: "Axes", table: Table, view: str, methods: list[str], metric: str) -> None:
    for place, method in enumerate(methods):
        score = next((s[metric] for (v, m), s in table.scores.items() if (v, m) == (view, method)), None)
        value = 0.0 if score is None or score.value is None else 100 * score.value
        panel.bar([place], [value], color=_COLORS[place % len(_COLORS)], width=0.8)
        if score is not None and score.low is not None and score.high is not None:
            panel.vlines(place, 100 * score.low, 100 * score.high, color="black", linewidth=0.6)
    panel.set_xticks([])
