from dataclasses import asdict
from typing import Any

import pytest

from cinefoley.config.mel import MelConfig
from cinefoley.config.presets import diff_foley, diff_foley_training, lite_training
from cinefoley.config.recipes import ScheduleRecipe


def test_cavps_numbers_are_the_published_ones() -> None:
    """open_cavp_main: launch_script.sh, data.py, loss.py."""
    cavp = diff_foley_training().cavp
    config = cavp.schedule.train_config(10_000_000)
    assert config.steps == -(-300 * 567_980 // 240)
    assert config.batch_size * cavp.windows == 720
    assert (config.learning_rate, config.warmup_steps, config.schedule) == (8e-4, 200, "cosine")
    assert (config.betas, config.weight_decay, config.ema_decay) == ((0.9, 0.999), 0.2, None)
    assert (cavp.windows, cavp.window_frames, cavp.gap_frames) == (3, 16, 8)
    assert (cavp.temporal_weight, cavp.pooling) == (1.0, "max")
    assert cavp.mel == MelConfig(hop_length=250)
    assert cavp.warm_start is None
    assert not cavp.keeps_targets


def test_the_denoisers_numbers_are_the_published_ones() -> None:
    """stage2_ldm: diff_foley_train.yaml, launch.sh, video_spec_dataset.py."""
    ldm = diff_foley_training().ldm
    config = ldm.schedule.train_config(17_600)
    assert config.steps == 250 * 10
    assert config.batch_size == 1760
    assert (config.learning_rate, config.warmup_steps, config.schedule) == (1e-4, 1000, "constant")
    assert (config.betas, config.max_grad_norm, config.ema_decay) == ((0.9, 0.999), None, None)
    assert (ldm.dropout, ldm.concatenation, ldm.guidance_weight) == (0.2, 0.5, 0.0)


def test_the_classifiers_rate_is_the_published_one() -> None:
    alignment = diff_foley_training().alignment
    assert alignment.schedule.train_config(100).learning_rate == 5e-5
    assert (alignment.block_out_channels, alignment.num_heads) == ((128, 256, 256), 8)


def test_diff_foley_is_trained_in_its_own_shape_and_scale() -> None:
    preset = diff_foley_training()
    assert preset.model == diff_foley()
    assert not preset.autoencoder.has_unit_variance
    assert preset.model.autoencoder.scaling_factor == 0.18215


def test_a_small_set_makes_short_epochs() -> None:
    schedule = ScheduleRecipe(epochs=2.5, batch_size=16)
    assert schedule.train_config(33).steps == 6
    assert schedule.train_config(1).steps == 1
    assert ScheduleRecipe(steps=7).train_config(10**6).steps == 7


def test_given_settings_replace_the_recipes() -> None:
    schedule = lite_training().autoencoder.schedule
    config = schedule.train_config(100, steps=3, batch_size=2, learning_rate=0.5, seed=9, precision="fp32")
    given = ("steps", "batch_size", "learning_rate", "seed", "precision")
    assert [asdict(config)[name] for name in given] == [3, 2, 0.5, 9, "fp32"]
    assert config.betas == schedule.betas
    assert schedule.train_config(100, steps=None, seed=None).seed == schedule.seed
    assert ScheduleRecipe(epochs=1, batch_size=10).train_config(100, batch_size=20).steps == 5
    with pytest.raises(ValueError, match="learning_rate"):
        schedule.train_config(100, learning_rate=2.0)


def test_epochs_replace_the_recipes_length() -> None:
    for recipe in (ScheduleRecipe(epochs=1, batch_size=10), ScheduleRecipe(steps=7, batch_size=10)):
        assert recipe.train_config(100, epochs=2.5, batch_size=20).steps == 13
    with pytest.raises(ValueError, match=r"epochs must be positive and finite, got -1\.0"):
        ScheduleRecipe(steps=7).train_config(100, epochs=-1.0)


@pytest.mark.parametrize("lengths", [{}, {"steps": 1, "epochs": 1.0}])
def test_a_schedule_has_one_length(lengths: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="steps or epochs"):
        ScheduleRecipe(**lengths)
