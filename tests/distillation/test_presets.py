from collections import Counter
from typing import Any, get_args

import pytest
import torch

from cinefoley.config.variations import FilmVariationConfig, VariationConfig
from cinefoley.distillation.presets import (
    DistillationPreset,
    distillation,
    paper_camera_movement,
    paper_close_up,
    paper_mixed,
)
from cinefoley.variations.mixture import Mixture
from cinefoley.variations.techniques import TECHNIQUES


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
    ("name", "proportion", "close_ups", "camera_movements", "placement"),
    [
        ("paper", 0.75, 1, 0, "center"),
        ("paper_50", 0.5, 1, 0, "center"),
        ("paper_100", 1.0, 1, 0, "center"),
        ("paper_camera_movement", 0.5, 0, 1, "center"),
        ("paper_both", 2 / 3, 1, 1, "center"),
        ("cinematic", 0.8, 1, 1, "uniform"),
        ("film", 0.8, 3, 3, "uniform"),
    ],
)
def test_the_variations_of_the_presets(
    name: Any, proportion: float, close_ups: float, camera_movements: float, placement: str
) -> None:
    """Paper, Section 4 and Tables 1, 3 and 4; the last is ours."""
    recipe = distillation(name)
    shown = recipe.variation
    assert (shown.scale_range, shown.variation_proportion, shown.placement) == (
        (0.4, 0.6),
        proportion,
        placement,
    )
    assert (shown.close_up_weight, shown.camera_movement_weight) == (close_ups, camera_movements)
    assert recipe.name == name


@pytest.mark.parametrize("name", get_args(DistillationPreset))
def test_the_papers_students_are_trained_as_it_says(name: Any) -> None:
    """25 epochs, AdamW at 5e-4, 32 clips a step; ours learns as long from other steps."""
    config = distillation(name).schedule.train_config(3200)
    found = config.steps, config.batch_size, config.optimizer, config.learning_rate
    paper, ours = (2500, 32, "adamw", 5e-4), (10000, 8, "muon", 1.5e-3)
    assert found == (ours if name in ("cinematic", "film") else paper)


def test_options_replace_a_preset_s_range_and_clipping() -> None:
    recipe = distillation("paper")
    assert recipe.with_options() == recipe
    changed = recipe.with_options(scale_range=(0.3, 0.5), max_grad_norm=0.0)
    assert changed.variation.scale_range == (0.3, 0.5)
    assert changed.schedule.max_grad_norm is None
    assert recipe.with_options(max_grad_norm=2.0).schedule.max_grad_norm == 2.0
    with pytest.raises(ValueError, match="scale_range must be ordered inside"):
        recipe.with_options(scale_range=(0.5, 0.3))


def test_film_shows_every_technique_and_as_many_of_the_papers_as_said() -> None:
    mixture = Mixture.from_config(distillation("film").variation)
    source = torch.Generator().manual_seed(0)
    kinds = Counter(mixture.draw((90, 160), generator=source).kind for _ in range(3000))
    assert set(kinds) == {"none", *TECHNIQUES}
    assert kinds["none"] / 3000 == pytest.approx(0.2, abs=0.03)
    for kind in ("close_up", "camera_movement"):
        assert kinds[kind] / (3000 - kinds["none"]) == pytest.approx(0.2, abs=0.03)
    with pytest.raises(ValueError, match="weights must be 0 or more"):
        FilmVariationConfig(technique_weight=-1.0)
