"""Distillation presets: the paper's published settings (Section 4, Tables 1, 3 and 4), and two of ours."""

from dataclasses import replace
from typing import Literal, get_args

from cinefoley.config.recipes import ScheduleRecipe
from cinefoley.config.variations import FilmVariationConfig, VariationConfig
from cinefoley.distillation.recipe import DistillationRecipe

__all__ = [
    "DistillationPreset",
    "distillation",
    "paper_camera_movement",
    "paper_close_up",
    "paper_mixed",
]

DistillationPreset = Literal[
    "paper", "paper_50", "paper_100", "paper_camera_movement", "paper_both", "cinematic", "film"
]
"""The paper's settings: the main one (Table 1), k = 50 and 100 % (Table 4), those of Table 3; and ours:
both of the paper's techniques, and every technique of film language."""


def distillation(name: DistillationPreset) -> DistillationRecipe:
    """The paper's training of a student: 25 epochs, AdamW at 5e-4, 32 clips a step over all GPUs.

    Reading: the paper does not give the learning rate schedule (here it rises for 100 steps and falls along a
    cosine), AdamW's weight decay (here PyTorch's 0.01), or whether features are normalised before the loss.
    ``docs/log.md`` has what was tried.

    Args:
        name: ``"paper"``: close-ups, k = 75 %; ``"paper_50"`` and ``"paper_100"``: the same with another k;
            ``"paper_camera_movement"``: camera movements, k = 50 %; ``"paper_both"``: both, k = 66.7 %;
            ``"cinematic"``, ours: both, close-ups anywhere in the frame, k = 80 %; Muon at 1.5e-3, 8 clips
            a step; ``"film"``, ours: as that, and every other technique of film language.

    Raises:
        ValueError: If there is no such preset.
    """
    schedule = ScheduleRecipe(
        epochs=25, batch_size=32, learning_rate=5e-4, warmup_steps=100, schedule="cosine"
    )
    match name:
        case "paper":
            variation = paper_close_up()
        case "paper_50":
            variation = paper_close_up(variation_proportion=0.5)
        case "paper_100":
            variation = paper_close_up(variation_proportion=1.0)
        case "paper_camera_movement":
            variation = paper_camera_movement()
        case "paper_both":
            variation = paper_mixed()
        case "cinematic":
            # a student learns camera movements only from examples; Muon learns more in the same number of
            # steps, and smaller batches more from the same number of clips (docs/log.md)
            variation = replace(paper_mixed(), placement="uniform", variation_proportion=0.8)
            schedule = replace(schedule, batch_size=8, optimizer="muon", learning_rate=1.5e-3)
        case "film":
            # close-ups and camera movements stay at 40 % of the varied clips, so that little of them is
            # unlearned; the weights are a first choice, not tuned
            variation = FilmVariationConfig(
                scale_range=(0.4, 0.6),
                placement="uniform",
                variation_proportion=0.8,
                close_up_weight=3.0,
                camera_movement_weight=3.0,
                technique_weight=1.0,
            )
            schedule = replace(schedule, batch_size=8, optimizer="muon", learning_rate=1.5e-3)
        case _:
            raise ValueError(f"no preset {name!r}; there are {', '.join(get_args(DistillationPreset))}")
    return DistillationRecipe(name=name, variation=variation, schedule=schedule)


def paper_close_up(*, variation_proportion: float = 0.75) -> VariationConfig:
    """The paper's main setting: close-ups only, k = 75 %. Table 3 has 50 %, Table 4 has 50, 75 and 100 %."""
    return VariationConfig(
        scale_range=(0.4, 0.6),
        variation_proportion=variation_proportion,
        close_up_weight=1.0,
        camera_movement_weight=0.0,
    )


def paper_camera_movement() -> VariationConfig:
    """The paper's Table 3, f_cm: camera movements only, k = 50 %."""
    return VariationConfig(
        scale_range=(0.4, 0.6),
        variation_proportion=0.5,
        close_up_weight=0.0,
        camera_movement_weight=1.0,
    )


def paper_mixed() -> VariationConfig:
    """The paper's Table 3, f_cu & f_cm 1:1, k = 66.7 %: each in a third of the clips."""
    return VariationConfig(
        scale_range=(0.4, 0.6),
        variation_proportion=2 / 3,
        close_up_weight=1.0,
        camera_movement_weight=1.0,
    )
