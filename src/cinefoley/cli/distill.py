"""``cinefoley distill``: the paper."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli import training_options as options
from cinefoley.cli.training_run import (
    Preparation,
    friendly_stops,
    held_out_source,
    is_main_rank,
    log_interval,
    log_line,
    note_unused_list,
    tell_result,
    trained_source,
)

if TYPE_CHECKING:
    from cinefoley.distillation.recipe import DistillationRecipe

__all__ = ["distill"]


def distill(
    run_dir: options.RunDir,
    teacher: Annotated[
        str, typer.Option(metavar="NAME|DIR|HUB-ID", help="The model whose video_encoder/ is the teacher.")
    ] = "lite",
    data: options.Data = "stage",
    csv: options.Csv = None,
    split: options.Split = None,
    valid: options.Valid = None,
    valid_clips: options.ValidClips = 64,
    validate_every: options.ValidateEvery = None,
    clips: options.Clips = None,
    duration: options.Duration = 10.0,
    preset: Annotated[
        Literal["paper", "paper_50", "paper_100", "paper_camera_movement", "paper_both", "cinematic"],
        typer.Option(help="Close-ups in 75 % of the clips (or 50, 100), camera movements, both; or ours."),
    ] = "paper",
    proportion: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="K",
            help="Share of clips that are varied. Default: the preset's.",
            show_default=False,
        ),
    ] = None,
    placement: Annotated[
        Literal["center", "uniform"] | None,
        typer.Option(help="Where a close-up's window sits. Default: the preset's.", show_default=False),
    ] = None,
    feature_space: Annotated[
        Literal["normalized", "raw"] | None,
        typer.Option(
            help="Compare features after the division by their norm, or before. Default: normalized.",
            show_default=False,
        ),
    ] = None,
    cosine_weight: Annotated[
        float | None,
        typer.Option(
            metavar="WEIGHT", help="Weight of the cosine distance in Eq. 2. Default: 1.", show_default=False
        ),
    ] = None,
    mse_weight: Annotated[
        float | None,
        typer.Option(
            metavar="WEIGHT", help="Weight of the squared error in Eq. 2. Default: 1.", show_default=False
        ),
    ] = None,
    batch_norm: Annotated[
        Literal["frozen", "train"] | None,
        typer.Option(
            help="Keep the teacher's statistics, or take the crops'. Default: frozen.", show_default=False
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A video_encoder/ to begin with. Default: a copy of the teacher.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(metavar="N", help="Passes over the clips. Default: 25.", show_default=False),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Optimiser steps, in place of --epochs.", show_default=False),
    ] = None,
    schedule: Annotated[
        Literal["cosine", "constant", "trapezoid"] | None,
        typer.Option(help="What the learning rate does. Default: the preset's.", show_default=False),
    ] = None,
    batch_size: options.BatchSize = None,
    accumulate: options.Accumulate = None,
    optimizer: Annotated[
        Literal["adamw", "muon"] | None,
        typer.Option(help="Muon takes PyTorch 2.9 or newer. Default: the preset's.", show_default=False),
    ] = None,
    learning_rate: options.LearningRate = None,
    seed: options.Seed = None,
    precision: options.Precision = None,
    cache: options.Cache = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Teach a copy of the video encoder to see in crops what the original sees in the whole picture.

    Leaves video_encoder/ in the run's folder, for --video-encoder. The teacher's features are computed once
    and kept; repeating the command goes on where it was stopped, and torchrun shares it among ranks.
    """
    _distill(locals())


def _distill(given: dict[str, Any]) -> None:
    from cinefoley.distillation.run import DistillSettings, distill
    from cinefoley.models.folder import load_foley_config
    from cinefoley.models.importing.published import cache_home
    from cinefoley.pipelines.devices import choose_own_device
    from cinefoley.pipelines.loading import resolve_model

    window_s = load_foley_config(resolve_model(given["teacher"])).window_s
    clip_s = max(given["duration"], window_s)
    workers, source = trained_source(given, clip_s)
    is_told = not given["quiet"] and is_main_rank()
    if is_told:
        note_unused_list(given)
    names = (
        "steps",
        "schedule",
        "batch_size",
        "optimizer",
        "learning_rate",
        "seed",
        "precision",
        "validate_every",
    )
    with Preparation(is_wanted=is_told) as preparation, friendly_stops():
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
            on_prepared=preparation.tell,
            on_log=log_line("distillation") if is_told else None,
            shows_progress=is_told,
        )
        result = distill(source, settings)
    if is_main_rank():
        tell_result(
            "distillation", source, given["run_dir"], result, as_json=given["as_json"], is_told=is_told
        )


def _recipe(given: dict[str, Any]) -> "DistillationRecipe":
    """The preset, with what the options change."""
    from dataclasses import replace

    from cinefoley.distillation.presets import distillation

    recipe = distillation(given["preset"])
    changed: dict[str, Any] = {} if given["placement"] is None else {"placement": given["placement"]}
    if given["proportion"] is not None:
        changed["variation_proportion"] = given["proportion"]
    names = ("feature_space", "cosine_weight", "mse_weight", "batch_norm")
    schedule = recipe.schedule
    if given["epochs"] is not None:
        if given["steps"] is not None:
            raise ValueError("--epochs and --steps both say how long; give one of them")
        schedule = replace(schedule, epochs=given["epochs"])
    return replace(
        recipe,
        variation=replace(recipe.variation, **changed),
        schedule=schedule,
        **{name: given[name] for name in names if given[name] is not None},
    )
