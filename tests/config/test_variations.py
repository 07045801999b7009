import pytest

from cinefoley.config.variations import VariationConfig


@pytest.mark.parametrize(
    "scale_range", [(0.0, 0.5), (-0.1, 0.5), (0.6, 0.4), (0.5, 1.1), (float("nan"), 1.0)]
)
def test_a_scale_range_outside_0_to_1_or_crossed_is_refused(scale_range: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"scale_range must be ordered inside \(0, 1\]"):
        VariationConfig(scale_range=scale_range)


@pytest.mark.parametrize("proportion", [-0.01, 1.01, float("nan")])
def test_a_proportion_outside_0_to_1_is_refused(proportion: float) -> None:
    with pytest.raises(ValueError, match=r"variation_proportion must be in \[0, 1\]"):
        VariationConfig(variation_proportion=proportion)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-1.0, 2.0), (float("nan"), 1.0), (float("inf"), 1.0)])
def test_weights_that_choose_nothing_are_refused(weights: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="weights must be 0 or more"):
        VariationConfig(close_up_weight=weights[0], camera_movement_weight=weights[1])
