import numpy as np
import pytest

from cinefoley.stage.canvas import Canvas, Projection, mix

WHITE = (255.0, 255.0, 255.0)


def blank(scale: tuple[float, float] = (10.0, 10.0), size: int = 100, **options: object) -> Canvas:
    image = np.zeros((size, size, 3), dtype=np.uint8)
    camera = Projection(np.diag(scale), np.array([size / 2, size / 2]))
    return Canvas(image, camera, **options)  # type: ignore[arg-type]


def area(canvas: Canvas) -> float:
    return float(canvas.image[..., 0].sum()) / 255


@pytest.mark.parametrize("radius", [0.3, 1.0, 3.0])
def test_a_circle_covers_what_it_should(radius: float) -> None:
    canvas = blank()
    canvas.circle((0, 0), radius, WHITE)
    assert area(canvas) == pytest.approx(np.pi * (10 * radius) ** 2, rel=0.15)


def test_a_line_is_as_wide_as_asked_in_either_direction() -> None:
    """A frame may be squashed: what is round gets flat, what is thin gets thinner one way only."""
    upright, level = blank((5.0, 10.0)), blank((5.0, 10.0))
    upright.line((0, -3), (0, 3), WHITE, width=1.0)
    level.line((-3, 0), (3, 0), WHITE, width=1.0)
    assert (upright.image[50, :, 0] > 127).sum() == pytest.approx(5, abs=1)
    assert (level.image[:, 50, 0] > 127).sum() == pytest.approx(10, abs=1)


def test_a_ring_is_hollow() -> None:
    canvas = blank()
    canvas.circle((0, 0), 3.0, WHITE, width=0.6)
    assert canvas.image[50, 50, 0] == 0
    assert canvas.image[50, 20, 0] == 255
    assert area(canvas) == pytest.approx(2 * np.pi * 30 * 6, rel=0.15)


def test_what_is_see_through_mixes_with_the_ground() -> None:
    canvas = blank()
    canvas.circle((0, 0), 2.0, WHITE, alpha=0.5)
    assert canvas.image[50, 50, 0] == pytest.approx(128, abs=2)


def test_a_shadow_has_one_colour_and_no_smoke() -> None:
    canvas = blank(tint=(10.0, 20.0, 30.0))
    canvas.circle((0, 0), 2.0, WHITE)
    assert canvas.image[50, 50].tolist() == [10, 20, 30]
    canvas.circle((0, 0), 3.0, WHITE, alpha=0.4)
    assert canvas.image.max() == 30


@pytest.mark.parametrize("place", [(80.0, 0.0), (0.0, -80.0), (4e5, 4e5)])
def test_what_lies_outside_leaves_no_trace(place: tuple[float, float]) -> None:
    canvas = blank()
    canvas.circle(place, 2.0, WHITE)
    canvas.circle(place, 2.0, WHITE, alpha=0.5)
    canvas.polygon([place, (place[0] + 1, place[1]), (place[0], place[1] + 1)], WHITE)
    assert area(canvas) == 0
    assert not canvas.shows(place, 2.0)
    assert canvas.shows((0, 0), 1.0)


def test_a_disc_is_flattened_by_the_camera() -> None:
    canvas = blank(tilt=0.5)
    canvas.disc((0, 0), 3.0, WHITE)
    assert (canvas.image[:, 50, 0] > 127).sum() == pytest.approx(30, abs=2)
    assert (canvas.image[50, :, 0] > 127).sum() == pytest.approx(60, abs=2)


def test_light_scales_colours() -> None:
    canvas = blank(light=(0.5, 1.0, 2.0))
    canvas.circle((0, 0), 2.0, (100.0, 100.0, 200.0))
    assert canvas.image[50, 50].tolist() == [50, 100, 255]


def test_cameras_compose() -> None:
    camera = Projection(np.diag([10.0, 5.0]), np.array([1.0, 2.0]))
    inner = Projection(np.diag([-2.0, 2.0]), np.array([3.0, 4.0]))
    points = [(0.3, 0.7), (-1.0, 2.0)]
    composed = camera.over(inner.linear, inner.offset).to_pixels(points)
    assert np.allclose(composed, camera.to_pixels(inner.to_pixels(points)))


def test_mixing_stays_between() -> None:
    assert mix((0, 0, 0), (100, 50, 10), 0.5) == (50, 25, 5)
    assert mix((0, 0, 0), (100, 50, 10), 7.0) == (100, 50, 10)
