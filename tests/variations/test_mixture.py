from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.config.variations import VariationConfig
from cinefoley.distillation.presets import paper_camera_movement, paper_close_up, paper_mixed
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp
from cinefoley.variations.mixture import Mixture

Seeded = Callable[[int], torch.Generator]
BOTH = (CloseUp(), CameraMovement())


def shares(mixture: Mixture, source: torch.Generator, count: int = 3000) -> dict[str, float]:
    kinds = Counter(mixture.draw((90, 160), generator=source).kind for _ in range(count))
    return {kind: kinds[kind] / count for kind in kinds}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (paper_close_up(), {"none": 0.25, "close_up": 0.75}),
        (paper_camera_movement(), {"none": 0.5, "camera_movement": 0.5}),
        (paper_mixed(), {"none": 1 / 3, "close_up": 1 / 3, "camera_movement": 1 / 3}),
    ],
)
def test_the_papers_proportions_come_out(
    config: VariationConfig, expected: dict[str, float], seeded: Seeded
) -> None:
    assert shares(Mixture.from_config(config), seeded(0)) == pytest.approx(expected, abs=0.03)


def test_weights_set_the_proportion_among_varied_clips(seeded: Seeded) -> None:
    mixture = Mixture(BOTH, variation_proportion=1.0, weights=(3, 1))
    assert shares(mixture, seeded(0)) == pytest.approx({"close_up": 0.75, "camera_movement": 0.25}, abs=0.03)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_k_of_0_varies_nothing_and_k_of_1_everything(seed: int, weight: float) -> None:
    def kind(k: float, weights: tuple[float, float]) -> str:
        mixture = Mixture(BOTH, k, weights)
        return mixture.draw((9, 16), generator=torch.Generator().manual_seed(seed)).kind

    assert kind(0.0, (1, weight)) == "none"
    assert kind(1.0, (1, weight)) != "none"
    assert kind(1.0, (1, 0)) == "close_up"
    assert kind(1.0, (0, 1)) == "camera_movement"


def test_a_larger_k_varies_the_same_clips_and_more(seeded: Seeded) -> None:
    few, many = (
        [Mixture(BOTH, k).draw((9, 16), generator=seeded(s)) for s in range(200)] for k in (0.3, 0.8)
    )
    assert sum(a.kind == "none" for a in few) > sum(b.kind == "none" for b in many) > 0
    assert all(a == b for a, b in zip(few, many, strict=True) if a.kind != "none")


def test_a_clip_that_is_not_varied_is_handed_on_as_it_is(seeded: Seeded) -> None:
    video = torch.rand(3, 3, 9, 16)
    assert torch.equal(Mixture(BOTH, 0.0)(video, generator=seeded(0)), video)


def test_the_settings_reach_the_variations(seeded: Seeded) -> None:
    config = VariationConfig(scale_range=(0.2, 0.3), placement="uniform", direction="up")
    mixture = Mixture.from_config(config)
    assert mixture.variations == (
        CloseUp(scale_range=(0.2, 0.3), placement="uniform"),
        CameraMovement(scale_range=(0.2, 0.3), direction="up"),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variations": ()}, "at least one variation"),
        ({"variation_proportion": -0.1}, r"variation_proportion must be in \[0, 1\]"),
        ({"variation_proportion": 1.1}, r"variation_proportion must be in \[0, 1\]"),
        ({"variation_proportion": float("nan")}, r"variation_proportion must be in \[0, 1\]"),
        ({"weights": (1,)}, "as many weights"),
        ({"weights": (0, 0)}, "positive sum"),
        ({"weights": (-1, 2)}, "0 or more"),
        ({"weights": (float("inf"), 2)}, "0 or more"),
    ],
)
def test_what_is_no_mixture_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mixture(**{"variations": BOTH} | arguments)
