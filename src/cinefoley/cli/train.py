"""``cinefoley train``: train the parts of a model, one command per stage."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli.outputs import note
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
    from cinefoley.config.recipes import TrainingPreset
    from cinefoley.distillation.no_teacher import VariedVideo
    from cinefoley.distillation.presets import DistillationPreset
    from cinefoley.training.stages.settings import Stage

__all__ = ["app"]

app = typer.Typer(help="Train the parts of a model.", no_args_is_help=True)


@app.command()
@with_training_options
def cavp(
    given: dict[str, Any],
    warm_start_steps: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Number of supervised steps before contrastive training, for clips with known events; 0: "
            "none. Default: set by the recipe.",
        ),
    ] = None,
    vary: Annotated[
        Literal["paper", "paper_50", "paper_100", "paper_camera_movement", "paper_both", "cinematic", "film"]
        | None,
        typer.Option(
            help="Train the video tower on varied clips, with the variations of this `distill` preset. "
            "Default: on whole frames."
        ),
    ] = None,
    freeze_audio: Annotated[
        bool, typer.Option("--freeze-audio", help="Do not train the audio tower; take it from --init.")
    ] = False,
) -> None:
    """Train the video encoder and the audio encoder of CAVP.

    Writes video_encoder/ and audio_encoder/ to the run folder. With the preset lite on clips whose events are
    known, such as the Foley stage's, both encoders first learn to predict the sound of each frame: its coarse
    mel spectrogram, its events and their kind.
    """
    _train("cavp", given)


@app.command()
@with_training_options
def autoencoder(given: dict[str, Any]) -> None:
    """Train the mel-spectrogram autoencoder.

    Writes vae/ to the run folder. Clips that cannot be used are skipped and listed in ledger.jsonl.
    """
    _train("autoencoder", given)


@app.command()
@with_training_options
def ldm(given: dict[str, Any], model: options.ModelFolders = None) -> None:
    """Train the latent diffusion model: denoiser and conditioner.

    Writes unet/, conditioner/ and scheduler/ to the run folder. It needs a trained video_encoder/ and vae/,
    which --model names.
    """
    _train("ldm", given)


@app.command()
@with_training_options
def alignment(
    given: dict[str, Any],
    model: options.ModelFolders = None,
    for_guidance: Annotated[
        bool,
        typer.Option(
            "--for-guidance", help="Train the classifier for double guidance, on noisy latents, instead."
        ),
    ] = False,
) -> None:
    """Train the alignment classifier, which scores whether sound and video match.

    Writes alignment/ to the run folder; with --for-guidance, guidance_classifier/. It needs a trained
    video_encoder/ and vae/, which --model names.
    """
    _train("guidance" if for_guidance else "alignment", given)


def _train(stage: "Stage", given: dict[str, Any]) -> None:
    from cinefoley.models.importing.published import cache_home
    from cinefoley.pipelines.devices import choose_own_device
    from cinefoley.training.stages.run import train_stage
    from cinefoley.training.stages.settings import StageSettings

    preset = _preset(given["preset"])
    clip_s = max(given["duration"], preset.model.foley.window_s)
    workers, source = trained_source(given, clip_s)
    is_verbose = not given["quiet"] and is_main_rank()
    if is_verbose:
        note_unused_csv(given)
    names = ("steps", "batch_size", "learning_rate", "seed", "precision")
    with Preparation(is_wanted=is_verbose) as preparation:
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
            on_note=note if is_verbose else None,
            on_prepared=preparation.show,
            on_log=log_line(stage) if is_verbose else None,
            shows_progress=is_verbose,
        )
        with resumable_training():
            result = train_stage(stage, source, settings)
    if is_main_rank():
        report_result(stage, source, given, result, is_verbose=is_verbose)


def _variation(name: "DistillationPreset | None") -> "VariedVideo | None":
    from cinefoley.distillation.no_teacher import VariedVideo
    from cinefoley.distillation.presets import distillation

    return None if name is None else VariedVideo(variation=distillation(name).variation)


def _preset(name: str) -> "TrainingPreset":
    from cinefoley.config import presets

    return presets.lite_training() if name == "lite" else presets.diff_foley_training()
