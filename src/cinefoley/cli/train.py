"""``cinefoley train``: the stages of a model, each with one command."""

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
    note,
    note_unused_list,
    tell_result,
    trained_source,
)

if TYPE_CHECKING:
    from cinefoley.config.recipes import TrainingPreset
    from cinefoley.distillation.no_teacher import VariedVideo
    from cinefoley.distillation.presets import DistillationPreset
    from cinefoley.training.stages.settings import Stage

__all__ = ["app"]

app = typer.Typer(
    help="Train the stages of a model on films of your own, or on the Foley stage.", no_args_is_help=True
)


@app.command()
def cavp(
    run_dir: options.RunDir,
    data: options.Data = "stage",
    csv: options.Csv = None,
    split: options.Split = None,
    valid: options.Valid = None,
    valid_clips: options.ValidClips = 64,
    validate_every: options.ValidateEvery = None,
    labels: options.Labels = None,
    clips: options.Clips = None,
    duration: options.Duration = 10.0,
    preset: options.Preset = "lite",
    init: options.Init = None,
    steps: options.Steps = None,
    warm_start_steps: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Steps before the contrast. Default: the recipe's; 0: none.",
            show_default=False,
        ),
    ] = None,
    vary: Annotated[
        Literal["paper", "paper_50", "paper_100", "paper_camera_movement", "paper_both", "cinematic"] | None,
        typer.Option(
            help="Show the video tower crops, as `distill` shows its student. Default: whole pictures.",
            show_default=False,
        ),
    ] = None,
    freeze_audio: Annotated[
        bool, typer.Option("--freeze-audio", help="Leave the audio tower as it is (with --init).")
    ] = False,
    batch_size: options.BatchSize = None,
    accumulate: options.Accumulate = None,
    learning_rate: options.LearningRate = None,
    seed: options.Seed = None,
    precision: options.Precision = None,
    cache: options.Cache = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train both towers of CAVP: leaves video_encoder/ and audio_encoder/ in the run's folder.

    On the Foley stage, whose events are known, the preset lite first teaches both what each frame sounds
    like.
    """
    _train("cavp", locals())


@app.command()
def autoencoder(
    run_dir: options.RunDir,
    data: options.Data = "stage",
    csv: options.Csv = None,
    split: options.Split = None,
    valid: options.Valid = None,
    valid_clips: options.ValidClips = 64,
    validate_every: options.ValidateEvery = None,
    labels: options.Labels = None,
    clips: options.Clips = None,
    duration: options.Duration = 10.0,
    preset: options.Preset = "lite",
    init: options.Init = None,
    steps: options.Steps = None,
    batch_size: options.BatchSize = None,
    accumulate: options.Accumulate = None,
    learning_rate: options.LearningRate = None,
    seed: options.Seed = None,
    precision: options.Precision = None,
    cache: options.Cache = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train the mel autoencoder: leaves vae/ in the run's folder.

    Repeating the command goes on where it was stopped. Clips that cannot be used are named in ledger.jsonl.
    """
    _train("autoencoder", locals())


@app.command()
def ldm(
    run_dir: options.RunDir,
    model: options.Model = None,
    data: options.Data = "stage",
    csv: options.Csv = None,
    split: options.Split = None,
    valid: options.Valid = None,
    valid_clips: options.ValidClips = 64,
    validate_every: options.ValidateEvery = None,
    labels: options.Labels = None,
    clips: options.Clips = None,
    duration: options.Duration = 10.0,
    preset: options.Preset = "lite",
    init: options.Init = None,
    steps: options.Steps = None,
    batch_size: options.BatchSize = None,
    accumulate: options.Accumulate = None,
    learning_rate: options.LearningRate = None,
    seed: options.Seed = None,
    precision: options.Precision = None,
    cache: options.Cache = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train denoiser and conditioner: leaves unet/, conditioner/ and scheduler/ in the run's folder.

    It starts from the video_encoder/ and vae/ of --model, which may be given twice: once for each.
    """
    _train("ldm", locals())


@app.command()
def alignment(
    run_dir: options.RunDir,
    model: options.Model = None,
    data: options.Data = "stage",
    csv: options.Csv = None,
    split: options.Split = None,
    valid: options.Valid = None,
    valid_clips: options.ValidClips = 64,
    validate_every: options.ValidateEvery = None,
    labels: options.Labels = None,
    clips: options.Clips = None,
    duration: options.Duration = 10.0,
    for_guidance: Annotated[
        bool, typer.Option("--for-guidance", help="Train the guidance classifier instead.")
    ] = False,
    preset: options.Preset = "lite",
    init: options.Init = None,
    steps: options.Steps = None,
    batch_size: options.BatchSize = None,
    accumulate: options.Accumulate = None,
    learning_rate: options.LearningRate = None,
    seed: options.Seed = None,
    precision: options.Precision = None,
    cache: options.Cache = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train the classifier that judges synchrony: leaves alignment/ in the run's folder.

    With --for-guidance it learns on noisy latents and leaves guidance_classifier/, for double guidance.
    Either starts from the video_encoder/ and vae/ of --model.
    """
    _train("guidance" if for_guidance else "alignment", locals())


def _train(stage: "Stage", given: dict[str, Any]) -> None:
    """One run, from its options to what is printed."""
    from cinefoley.models.importing.published import cache_home
    from cinefoley.pipelines.devices import choose_own_device
    from cinefoley.training.stages.run import train_stage
    from cinefoley.training.stages.settings import StageSettings

    preset = _preset(given["preset"])
    clip_s = max(given["duration"], preset.model.foley.window_s)
    workers, source = trained_source(given, clip_s)
    is_told = not given["quiet"] and is_main_rank()
    if is_told:
        note_unused_list(given)
    names = ("steps", "batch_size", "learning_rate", "seed", "precision")
    with Preparation(is_wanted=is_told) as preparation:
        settings = StageSettings(
            preset=preset,
            run_dir=given["run_dir"],
            cache_dir=given["cache"] or cache_home() / "training",
            held_out=held_out_source(given, clip_s, source),
            models=given.get("model") or (),
            init=given["init"] or (),
            clip_s=clip_s,
            workers=workers,
            device=choose_own_device(given["device"]),
            overrides={name: given[name] for name in names}
            | {
                "gradient_accumulation": given["accumulate"],
                "validate_every": given["validate_every"],
                "log_every": log_interval(given["validate_every"]),
                "sample_every": given["validate_every"],
            },
            warm_start_steps=given.get("warm_start_steps"),
            variation=_variation(given.get("vary")),
            trains_audio=not given.get("freeze_audio", False),
            on_note=note if is_told else None,
            on_prepared=preparation.tell,
            on_log=log_line(stage) if is_told else None,
            shows_progress=is_told,
        )
        with friendly_stops():
            result = train_stage(stage, source, settings)
    if is_main_rank():
        tell_result(stage, source, given["run_dir"], result, as_json=given["as_json"], is_told=is_told)


def _variation(name: "DistillationPreset | None") -> "VariedVideo | None":
    from cinefoley.distillation.no_teacher import VariedVideo
    from cinefoley.distillation.presets import distillation

    return None if name is None else VariedVideo(variation=distillation(name).variation)


def _preset(name: str) -> "TrainingPreset":
    from cinefoley.config import presets

    return presets.lite_training() if name == "lite" else presets.diff_foley_training()
