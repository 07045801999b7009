"""Optics of the filmed stage."""

import cv2
import numpy as np
import pytest

from cinefoley.stage.canvas import Projection
from cinefoley.stage.distribution import OPTICS
from cinefoley.stage.generator import make_generator
from cinefoley.stage.optics import CLEAN, Optics, Shading, Surfaces, draw_optics, smear


def lenses(count: int) -> list[Optics]:
    return [draw_optics(make_generator(seed, "train", "optics")) for seed in range(count)]


def projection(scale: float) -> Projection:
    return Projection(np.diag([scale, scale]), np.array([0.8 * scale, 0.5 * scale]))


def test_every_effect_comes_as_often_as_the_table_says() -> None:
    drawn = lenses(400)
    assert np.mean([lens.shading is not None for lens in drawn]) == pytest.approx(OPTICS.shading, abs=0.07)
    assert np.mean([lens.blur > 0 for lens in drawn]) == pytest.approx(OPTICS.shallow, abs=0.07)
    assert np.mean([lens.shutter > 0 for lens in drawn]) == pytest.approx(OPTICS.shutter, abs=0.07)
    assert np.mean([lens.vignette > 0 for lens in drawn]) == pytest.approx(OPTICS.vignette, abs=0.07)
    walls = {lens.surfaces.wall for lens in drawn if lens.surfaces is not None}
    assert walls == {None, "bricks", "boards", "tiles"}


@pytest.mark.parametrize("is_open", [True, False])
def test_a_texture_is_the_same_at_every_scale(is_open: bool) -> None:
    surfaces = next(
        lens.surfaces for lens in lenses(60) if lens.surfaces and lens.surfaces.wall and lens.surfaces.ground
    )
    pictures = []
    for scale in (100, 400):
        picture = np.full((scale, round(1.6 * scale), 3), 120, np.uint8)
        surfaces.apply(picture, projection(scale), is_open=is_open)
        pictures.append(picture)
    small = cv2.resize(pictures[1], (160, 100), interpolation=cv2.INTER_AREA)
    assert pictures[0].std() > 2
    assert np.abs(small.astype(int) - pictures[0]).mean() < 4
    assert abs(float(pictures[0].mean()) - 120) < 25


def test_shading_changes_the_actors_and_nothing_else() -> None:
    tile = np.full((256, 256), 160, np.uint8)
    behind = np.full((60, 80, 3), 90, np.uint8)
    image = behind.copy()
    image[20:40, 30:50] = 100
    Shading(tile).apply(image, behind, projection(50))
    assert (image[20:40, 30:50] == 125).all()
    image[20:40, 30:50] = 90
    assert np.array_equal(image, behind)


def test_motion_blur_is_as_long_as_the_movement() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 20] = 240
    assert smear(image, 0.3, -0.2) is image
    across = smear(image, 5.0, 0.0)
    assert (across[20, :, 0] > 0).sum() == 6
    assert across.sum() == pytest.approx(image.sum(), rel=0.02)
    assert np.array_equal(smear(image, 0.0, 5.0), image)


def test_a_background_out_of_focus_loses_its_edges() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 200
    blurred = image.copy()
    Optics(blur=0.02).defocus(blurred, 200)
    assert np.abs(np.diff(blurred[32, :, 0].astype(int))).max() < 40
    CLEAN.defocus(image, 200)
    assert np.abs(np.diff(image[32, :, 0].astype(int))).max() == 200


def test_surfaces_are_drawn_anew_for_every_clip() -> None:
    noises = {lens.surfaces.noise.tobytes() for lens in lenses(5) if isinstance(lens.surfaces, Surfaces)}
    assert len(noises) == 5
