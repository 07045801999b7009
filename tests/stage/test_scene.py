import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.stage.scene import MIN_WIDTH, SHOTS, draw_scene

TARGET = (-0.3, -0.2, 0.4, 0.45)
ASPECTS = (16 / 9, 1.0, 9 / 16, 2.39)


@given(seed=st.integers(0, 10_000), aspect=st.sampled_from(ASPECTS), sources=st.sampled_from([1, 2]))
def test_targets_keep_inside_any_frame(seed: int, aspect: float, sources: int) -> None:
    scene = draw_scene(np.random.default_rng(seed), sources=sources)
    composition = scene.compose(aspect, (TARGET,) * sources)
    width, height = composition.frame
    assert width / height == pytest.approx(aspect)
    assert min(width, height) == 1.0
    for shot, (x, y), place in zip(composition.shots, composition.origins, scene.placements, strict=True):
        left, right = (-TARGET[2], -TARGET[0]) if place.is_mirrored else (TARGET[0], TARGET[2])
        drift = np.abs(scene.drift) / 2
        assert x + shot * left - drift[0] > -0.01
        assert x + shot * right + drift[0] < width + 0.01
        assert y + shot * TARGET[1] - drift[1] > -0.01
        assert y + shot * TARGET[3] + drift[1] < height + 0.01
        assert shot * (right - left) >= MIN_WIDTH * width - 1e-9


def test_shots_vary_from_wide_to_medium() -> None:
    shots = [draw_scene(np.random.default_rng(seed), sources=1).placements[0].shot for seed in range(300)]
    assert min(shots) < SHOTS[0] * 1.05
    assert max(shots) > SHOTS[1] * 0.95
    assert np.median(shots) == pytest.approx(np.sqrt(SHOTS[0] * SHOTS[1]), rel=0.1)


def test_targets_are_off_centre_more_often_than_not() -> None:
    places = np.array(
        [draw_scene(np.random.default_rng(seed), sources=1).placements[0].anchor[0] for seed in range(300)]
    )
    assert (np.abs(places - 0.5) > 0.25).mean() > 0.55
    assert 0.4 < (places > 0.5).mean() < 0.6


def test_what_is_far_is_quiet_and_has_more_room() -> None:
    places = [draw_scene(np.random.default_rng(seed), sources=1).placements[0] for seed in range(200)]
    shots = np.array([place.shot for place in places])
    assert np.corrcoef(shots, [place.level for place in places])[0, 1] > 0.95
    assert np.corrcoef(shots, [place.wet for place in places])[0, 1] < -0.5


def test_the_horizon_lies_above_every_floor() -> None:
    for seed in range(50):
        scene = draw_scene(np.random.default_rng(seed), sources=2)
        composition = scene.compose(16 / 9, (TARGET, TARGET))
        floors = [
            origin[1] + shot * 0.45
            for shot, origin in zip(composition.shots, composition.origins, strict=True)
        ]
        assert composition.horizon < min(floors)
