import numpy as np

from cinefoley.stage.canvas import Canvas, Projection
from cinefoley.stage.figure import FLOOR, draw_figure, draw_look


def test_a_figure_stands_on_the_floor_and_reaches_out() -> None:
    image = np.zeros((200, 200, 3), dtype=np.uint8)
    canvas = Canvas(image, Projection(np.diag([100.0, 100.0]), np.array([100.0, 100.0])))
    look = draw_look(np.random.default_rng(0))
    shoulder = draw_figure(canvas, (0.0, 0.08), look, hand=(0.6, -0.5))
    rows, columns = np.nonzero(image.max(axis=2))
    assert shoulder[1] < 0.08
    assert abs((rows.max() - 100) / 100 - FLOOR) < 0.03
    assert abs((columns.max() - 100) / 100 - 0.63) < 0.03
