import pytest

from cinefoley.config.variations import VariationConfig
from cinefoley.distillation.presets import paper_camera_movement, paper_close_up, paper_mixed


def test_the_papers_main_setting_is_pinned() -> None:
    config = paper_close_up()
    assert config == VariationConfig()
    assert config.scale_range == (0.4, 0.6)
    assert config.variation_proportion == 0.75
    assert (config.close_up_weight, config.camera_movement_weight) == (1, 0)
    assert (config.placement, config.direction) == ("center", "auto")


def test_the_papers_ablations_are_pinned() -> None:
    assert paper_close_up(variation_proportion=0.5).variation_proportion == 0.5
    movement, mixed = paper_camera_movement(), paper_mixed()
    assert (movement.variation_proportion, movement.close_up_weight) == (0.5, 0)
    assert f"{mixed.variation_proportion:.1%}" == "66.7%"
    assert mixed.close_up_weight == mixed.camera_movement_weight == 1
    assert movement.scale_range == mixed.scale_range == (0.4, 0.6)


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
