from collections.abc import Callable

import numpy as np
import pytest
from tests.stage.drawing import drawn

from cinefoley.stage.canvas import Canvas
from cinefoley.stage.effects import draw_dust, draw_ripples, draw_smoke, draw_sparks, draw_speed_lines

EFFECTS: dict[str, Callable[[Canvas, float], None]] = {
    "dust": lambda canvas, age: draw_dust(canvas, 0.0, age, reach=0.8, strength=1.0),
    "ripples": lambda canvas, age: draw_ripples(canvas, (0, 0), age, reach=0.8, color=(255, 255, 255)),
    "smoke": lambda canvas, age: draw_smoke(canvas, (0, 0), age, drift=(0.5, -0.2)),
    "sparks": lambda canvas, age: draw_sparks(canvas, (0, 0), age, reach=0.6),
    "speed lines": lambda canvas, age: draw_speed_lines(canvas, (0, 0), age, inner=0.1, outer=0.4),
}


def extent(draw: Callable[[Canvas, float], None], age: float) -> int:
    """Columns from the first to the last that anything is drawn in."""
    canvas = Canvas()
    draw(canvas, age)
    columns = np.flatnonzero(drawn(canvas).max(axis=(0, 2)) > 8)
    return int(columns[-1] - columns[0]) if len(columns) else 0


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_spreads_with_time_and_goes(name: str) -> None:
    draw = EFFECTS[name]
    assert extent(draw, 0.25) > extent(draw, 0.05) > 0
    assert [extent(draw, age) for age in (-0.1, 2.0, float("inf"))] == [0, 0, 0]
