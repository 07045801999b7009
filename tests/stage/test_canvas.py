from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.stage.drawing import drawn

from cinefoley.stage.canvas import Canvas, Projection, mix, trace

WHITE = (255.0, 255.0, 255.0)


def shown(canvas: Canvas, scale: tuple[float, float] = (10.0, 10.0), **options: Any) -> NDArray[np.uint8]:
    return drawn(canvas, scale=scale, size=(100, 100), **options)


def area(canvas: Canvas) -> float:
    return float(shown(canvas)[..., 0].sum()) / 255


@pytest.mark.parametrize("radius", [0.3, 1.0, 3.0])
def test_a_circle_covers_what_it_should(radius: float) -> None:
    canvas = Canvas()
    canvas.circle((0, 0), radius, WHITE)
    assert area(canvas) == pytest.approx(np.pi * (10 * radius) ** 2, rel=0.15)


def test_a_line_is_as_wide_as_asked_in_either_direction() -> None:
    """A frame may be squashed: what is round gets flat, what is thin gets thinner one way only."""
    upright, level = Canvas(), Canvas()
    upright.line((0, -3), (0, 3), WHITE, width=1.0)
    level.line((-3, 0), (3, 0), WHITE, width=1.0)
    assert (shown(upright, (5.0, 10.0))[50, :, 0] > 127).sum() == pytest.approx(5, abs=1)
    assert (shown(level, (5.0, 10.0))[:, 50, 0] > 127).sum() == pytest.approx(10, abs=1)


def test_a_ring_is_hollow() -> None:
    canvas = Canvas()
    canvas.circle((0, 0), 3.0, WHITE, width=0.6)
    assert shown(canvas)[50, 50, 0] == 0
    assert shown(canvas)[50, 20, 0] == 255
    assert area(canvas) == pytest.approx(2 * np.pi * 30 * 6, rel=0.15)


def test_what_is_see_through_mixes_with_the_ground() -> None:
    canvas = Canvas()
    canvas.circle((0, 0), 2.0, WHITE, alpha=0.5)
    assert shown(canvas)[50, 50, 0] == pytest.approx(128, abs=2)


def test_a_shadow_has_one_colour_and_no_smoke() -> None:
    canvas, tint = Canvas(), (10.0, 20.0, 30.0)
    canvas.circle((0, 0), 2.0, WHITE)
    assert shown(canvas, tint=tint)[50, 50].tolist() == [10, 20, 30]
    canvas.circle((0, 0), 3.0, WHITE, alpha=0.4)
    canvas.casts_shadow = False
    canvas.circle((4, 0), 1.0, WHITE)
    assert np.array_equal(shown(canvas, tint=tint).max(axis=(0, 1)), tint)
    assert not shown(canvas, tint=tint)[50, 90].any()


@pytest.mark.parametrize("place", [(80.0, 0.0), (0.0, -80.0), (4e5, 4e5)])
def test_what_lies_outside_leaves_no_trace(place: tuple[float, float]) -> None:
    canvas = Canvas()
    canvas.circle(place, 2.0, WHITE)
    canvas.circle(place, 2.0, WHITE, alpha=0.5)
    canvas.polygon([place, (place[0] + 1, place[1]), (place[0], place[1] + 1)], WHITE)
    assert area(canvas) == 0


def test_a_disc_is_flattened_by_the_projection() -> None:
    canvas = Canvas(tilt=0.5)
    canvas.disc((0, 0), 3.0, WHITE)
    assert (shown(canvas)[:, 50, 0] > 127).sum() == pytest.approx(30, abs=2)
    assert (shown(canvas)[50, :, 0] > 127).sum() == pytest.approx(60, abs=2)


def test_light_scales_colours() -> None:
    canvas = Canvas()
    canvas.circle((0, 0), 2.0, (100.0, 100.0, 200.0))
    assert shown(canvas, light=(0.5, 1.0, 2.0))[50, 50].tolist() == [50, 100, 255]


def test_canvases_traced_together_look_as_each_alone() -> None:
    canvases = []
    for radius in (0.4, 2.0):
        canvas = Canvas()
        canvas.polygon([(-1, -1), (1, -1), (0, radius)], WHITE)
        canvas.line((-3, 0), (3, radius), WHITE, width=0.5, alpha=0.7)
        canvas.circle((0, 0), radius, WHITE, width=0.2)
        canvases.append(canvas)
    projection = Projection(np.diag([10.0, 10.0]), np.array([50.0, 50.0]))
    for canvas, outlines in zip(
        canvases, trace([(canvas, projection) for canvas in canvases], (100, 100)), strict=True
    ):
        image = np.zeros((100, 100, 3), dtype=np.uint8)
        canvas.draw(image, outlines)
        assert np.array_equal(image, shown(canvas))


def test_projections_compose() -> None:
    projection = Projection(np.diag([10.0, 5.0]), np.array([1.0, 2.0]))
    inner = Projection(np.diag([-2.0, 2.0]), np.array([3.0, 4.0]))
    points = [(0.3, 0.7), (-1.0, 2.0)]
    composed = projection.over(inner.linear, inner.offset).to_pixels(points)
    assert np.allclose(composed, projection.to_pixels(inner.to_pixels(points)))


def test_mixing_stays_between() -> None:
    assert mix((0, 0, 0), (100, 50, 10), 0.5) == (50, 25, 5)
    assert mix((0, 0, 0), (100, 50, 10), 7.0) == (100, 50, 10)
