"""``cinefoley distill``: distil a student video encoder from a teacher (the paper's method)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli.field_help import field_help
from cinefoley.cli.progress import Preparation
from cinefoley.cli.training_run import (
    held_out_source,
    is_main_rank,
    log_interval,
    log_line,
    note_unused_csv,
    report_result,
    resumable_training,
    trained_source,
    with_training_options,
)

if TYPE_CHECKING:
    from cinefoley.distillation.recipe import DistillationRecipe

__all__ = ["distill"]

_RECIPE = "distillation.recipe.DistillationRecipe"
_BY_PRESET = "Default: set by the preset."


@with_training_options
def distill(
    given: dict[str, Any],
    *,
    teacher: Annotated[
        str,
        typer.Option(metavar="NAME|FOLDER|HUB-ID", help="Model whose video_encoder/ is the teacher."),
    ] = "lite",
    preset: Annotated[
        Literal["paper", "paper_50", "paper_100", "paper_camera_movement", "paper_both", "cinematic", "film"],
        typer.Option(
            help="Training recipe. paper: close-ups of 75 % of the clips (paper_50 and paper_100: of 50 and "
            "100 %); paper_camera_movement: camera movements; paper_both: both; cinematic: this project's "
            "own; film: every technique of film language."
        ),
    ] = "paper",
    proportion: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="K",
            help=field_help("config.variations.VariationConfig.variation_proportion", _BY_PRESET),
        ),
    ] = None,
    scale_range: options.ScaleRange = None,
    placement: Annotated[
        Literal["center", "uniform"] | None,
        typer.Option(help=field_help("config.variations.VariationConfig.placement", _BY_PRESET)),
    ] = None,
    feature_space: Annotated[
        Literal["normalized", "raw"] | None,
        typer.Option(help=field_help(f"{_RECIPE}.feature_space", "Default: normalized.")),
    ] = None,
    cosine_weight: Annotated[
        float | None,
        typer.Option(metavar="WEIGHT", help=field_help(f"{_RECIPE}.cosine_weight", "Default: 1.")),
    ] = None,
    mse_weight: Annotated[
        float | None,
        typer.Option(metavar="WEIGHT", help=field_help(f"{_RECIPE}.mse_weight", "Default: 1.")),
    ] = None,
    batch_norm: Annotated[
        Literal["frozen", "train"] | None,
        typer.Option(help=field_help(f"{_RECIPE}.batch_norm", "Default: frozen.")),
    ] = None,
    max_grad_norm: options.MaxGradNorm = None,
    init: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="A video_encoder/ to take the student's initial weights from. Default: the teacher's.",
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(metavar="N", help="Number of passes over the clips. Default: 25."),
    ] = None,
    schedule: Annotated[
        Literal["cosine", "constant", "trapezoid"] | None,
        typer.Option(help=field_help("config.training.OptimizerConfig.schedule", _BY_PRESET)),
    ] = None,
    optimizer: Annotated[
        Literal["adamw", "muon"] | None,
        typer.Option(help=field_help("config.training.OptimizerConfig.optimizer", _BY_PRESET)),
    ] = None,
) -> None:
    """Distil a student video encoder from a teacher (the paper's method).

    The student sees a clip through a window, as a close-up or a camera movement shows it; its target is the
    teacher's features of the whole frames. Writes video_encoder/ to the run folder, to be used with
    --video-encoder. The teacher's features are computed once and cached. If the run was stopped, the same
    command resumes it. torchrun distributes it over several processes.
    """
    _distill(given)


def _distill(given: dict[str, Any]) -> None:
    from cinefoley.distillation.run import DistillSettings, distill
    from cinefoley.models.folder import load_foley_config
    from cinefoley.models.importing.published import cache_home
    from cinefoley.pipelines.devices import choose_own_device
    from cinefoley.pipelines.loading import resolve_model

    window_s = load_foley_config(resolve_model(given["teacher"])).window_s
    clip_s = max(given["duration"], window_s)
    workers, source = trained_source(given, clip_s)
    is_verbose = not given["quiet"] and is_main_rank()
    if is_verbose:
        note_unused_csv(given)
    names = (
        *("steps", "schedule", "batch_size", "optimizer", "learning_rate", "seed", "precision"),
        "validate_every",
    )
    with Preparation(is_wanted=is_verbose) as preparation, resumable_training():
        settings = DistillSettings(
            recipe=_recipe(given),
            teacher=given["teacher"],
            run_dir=given["run_dir"],
            cache_dir=given["cache"] or cache_home() / "training",
            init=given["init"],
            held_out=held_out_source(given, clip_s, source),
            clip_s=clip_s,
            workers=workers,
            device=choose_own_device(given["device"]),
            overrides={name: given[name] for name in names}
            | {
                "gradient_accumulation": given["accumulate"],
                "log_every": log_interval(given["validate_every"]),
            },
            on_prepared=preparation.show,
            on_log=log_line("distillation") if is_verbose else None,
            shows_progress=is_verbose,
        )
        result = distill(source, settings)
    if is_main_rank():
        report_result("distillation", source, given, result, is_verbose=is_verbose)


def _recipe(given: dict[str, Any]) -> "DistillationRecipe":
    """The preset, with the values of options that were given.

    Raises:
        ValueError: If they do not go together.
    """
    from dataclasses import replace

    from cinefoley.distillation.presets import distillation

    recipe = distillation(given["preset"])
    fields = {"variation_proportion": "proportion", "placement": "placement"}
    changed = {field: given[name] for field, name in fields.items() if given[name] is not None}
    names = ("feature_space", "cosine_weight", "mse_weight", "batch_norm")
    schedule = recipe.schedule
    if given["epochs"] is not None:
        if given["steps"] is not None:
            raise ValueError("--epochs and --steps both set the length of the run; give one of them")
        schedule = replace(schedule, epochs=given["epochs"])
    recipe = replace(
        recipe,
        variation=replace(recipe.variation, **changed),
        schedule=schedule,
        **{name: given[name] for name in names if given[name] is not None},
    )
    return recipe.with_options(scale_range=given["scale_range"], max_grad_norm=given["max_grad_norm"])
