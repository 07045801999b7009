import numpy as np
from tests.stage.drawing import drawn

from cinefoley.stage.canvas import Canvas
from cinefoley.stage.figure import FLOOR, draw_figure, draw_look


def test_a_figure_stands_on_the_floor_and_reaches_out() -> None:
    canvas = Canvas()
    look = draw_look(np.random.default_rng(0))
    shoulder = draw_figure(canvas, (0.0, 0.08), look, hand=(0.6, -0.5))
    rows, columns = np.nonzero(drawn(canvas).max(axis=2))
    assert shoulder[1] < 0.08
    assert abs((rows.max() - 100) / 100 - FLOOR) < 0.03
    assert abs((columns.max() - 100) / 100 - 0.63) < 0.03
