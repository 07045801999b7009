import numpy as np
import pytest

from cinefoley.stage.backdrop import draw_backdrop
from cinefoley.stage.canvas import Projection


def rendered(seed: int, scale: float) -> np.ndarray:
    size = (round(90 * scale), round(160 * scale))
    camera = Projection(np.diag([90 * scale, 90 * scale]), np.array([80 * scale, 55 * scale]))
    extent = (0.0, 0.0, 160 * scale, 90 * scale)
    return draw_backdrop(np.random.default_rng(seed)).render(
        size, camera, extent=extent, light=(1.0, 1.0, 1.0)
    )


def test_backdrops_differ() -> None:
    pictures = {rendered(seed, 1.0).tobytes() for seed in range(20)}
    assert len(pictures) == 20


def test_every_sort_of_place_is_drawn() -> None:
    places = {draw_backdrop(np.random.default_rng(seed)).place for seed in range(60)}
    assert places == {"room", "street", "field", "studio"}


@pytest.mark.parametrize("seed", range(5))
def test_a_larger_rendering_shows_the_same(seed: int) -> None:
    small, large = rendered(seed, 1.0), rendered(seed, 3.0)
    averaged = large.reshape(90, 3, 160, 3, 3).mean(axis=(1, 3))
    assert np.abs(averaged - small).mean() < 3
