"""Command-line options that several commands share, as annotated types."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from cinefoley.cli.field_help import field_help

__all__ = [
    "FEWEST_RESAMPLINGS",
    "Accumulate",
    "BatchSize",
    "Bootstrap",
    "Cache",
    "Clips",
    "Csv",
    "Data",
    "DenoisingSteps",
    "Device",
    "Duration",
    "Force",
    "GenerationEngine",
    "GuidanceScale",
    "Host",
    "Init",
    "Json",
    "Labels",
    "LearningRate",
    "MaxGradNorm",
    "Model",
    "ModelFolders",
    "Port",
    "Precision",
    "Preset",
    "Quiet",
    "ReportFolder",
    "RunDir",
    "ScaleRange",
    "Scheduler",
    "Split",
    "StageSplit",
    "StageVersion",
    "Steps",
    "Student",
    "TableFormat",
    "TakeSeed",
    "Takes",
    "TrainingPrecision",
    "TrainingSeed",
    "Valid",
    "ValidClips",
    "ValidateEvery",
    "VideoEncoder",
    "Workers",
    "check_bootstrap",
    "count_workers",
]

FEWEST_RESAMPLINGS = 40  # of fewer, no 2.5 % lie beyond either end
_LARGEST_SEED = 2**32 - 1
_OPTIMIZER = "config.training.OptimizerConfig"
_TRAIN = "config.training.TrainConfig"
_BY_RECIPE = "Default: set by the recipe."


# ---- every command ----

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress bar and no notes.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing output files.")]
Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda|cuda:N|mps",
        help="Device to compute on. auto: a GPU if there is one, else the CPU.",
    ),
]
Workers = Annotated[int, typer.Option(metavar="N", help="Number of worker processes; -1: one per CPU core.")]
TableFormat = Annotated[
    Literal["text", "markdown", "latex"], typer.Option(help="Format of the printed tables.")
]
ReportFolder = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", help="Folder to write the report to as well."),
]
Bootstrap = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Number of bootstrap resamplings for the 95 % confidence intervals, "
        f"{FEWEST_RESAMPLINGS} or more; 0: no intervals.",
    ),
]
Host = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Network interface to listen on; 0.0.0.0: all of them.")
]
Port = Annotated[
    int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0: any free port.")
]


# ---- models and generation ----

Model = Annotated[
    str,
    typer.Option(
        metavar="NAME|FOLDER|HUB-ID",
        help="Model to use: a bundled name, a model folder, or a Hugging Face Hub id (downloads it).",
    ),
]
VideoEncoder = Annotated[
    str | None,
    typer.Option(
        metavar="teacher|student|FOLDER",
        help="Video encoder to use. Default: the student if the model has one, otherwise the teacher.",
    ),
]
Student = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Student video encoder to compare with the teacher. Default: the model's own.",
    ),
]
Takes = Annotated[int, typer.Option(min=1, metavar="N", help="Number of takes to generate per video.")]
TakeSeed = Annotated[
    int,
    typer.Option(
        min=0, max=_LARGEST_SEED, metavar="N", help="Random seed. The same seed generates the same takes."
    ),
]
GenerationEngine = Annotated[
    Literal["local", "dask"],
    typer.Option(
        help="Who computes: this process (and the others that torchrun started), or the workers of a Dask "
        "scheduler."
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Address of the Dask scheduler, such as tcp://10.0.0.1:8786."),
]
DenoisingSteps = Annotated[
    int, typer.Option("--steps", min=1, metavar="N", help="Number of denoising steps per window.")
]
GuidanceScale = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SCALE",
        help="Strength of classifier-free guidance by the video; 1: no guidance.",
    ),
]

ScaleRange = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="A B",
        help=field_help("config.variations.VariationConfig.scale_range", "Default: the preset's."),
    ),
]
MaxGradNorm = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="NORM",
        help=field_help("config.training.OptimizerConfig.max_grad_norm", "0 does not clip. Default: 1."),
    ),
]


# ---- datasets ----

Data = Annotated[
    str,
    typer.Option(
        metavar="stage|DIR",
        help="Dataset: the Foley stage (stage, or stage:valid for a split; stage-filmed for moving cameras), "
        "a folder of videos, a folder that `stage export` wrote, or shards that `data prepare` wrote.",
    ),
]
Csv = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Split CSV of the dataset's clips, in VGGSound's format: id,start,label,split."
    ),
]
Split = Annotated[str | None, typer.Option(metavar="NAME", help="Split to train on. Default: train.")]
Labels = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Text file of the labels that the split CSV may contain, one per line."
    ),
]
StageSplit = Annotated[
    Literal["train", "valid", "test"],
    typer.Option(help="Split to render clips of. The same seed gives a different clip in each split."),
]
StageVersion = Annotated[
    Literal["plain", "filmed"] | None,
    typer.Option(
        "--stage-version",
        help="How the clips are filmed: on a tripod (plain), or with moving cameras, grain, low bit rates "
        "and ambience (filmed). Default: plain.",
    ),
]
Clips = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Use only the first N clips. Default: all; of the Foley stage, 4096."
    ),
]
Duration = Annotated[float, typer.Option(min=1, metavar="S", help="Length to use of each clip, in seconds.")]


# ---- training ----

RunDir = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        help="Run folder: checkpoint, log, ledger and the trained weights. If the run was stopped, the same "
        "command resumes it.",
    ),
]
Valid = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|none",
        help="Split for validation and for audio previews; none: no validation. Default: valid, if the "
        "dataset has one.",
    ),
]
ValidClips = Annotated[
    int, typer.Option(min=1, metavar="N", help="Number of clips to validate on, from the start of the split.")
]
ValidateEvery = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="STEPS", help="Steps between validations. Default: only after the last step."
    ),
]
Preset = Annotated[
    Literal["lite", "diff_foley"],
    typer.Option(help="Network sizes and training recipe: small enough for two CPU cores, or Diff-Foley's."),
]
Steps = Annotated[
    int | None, typer.Option(min=1, metavar="N", help=field_help(f"{_TRAIN}.steps", _BY_RECIPE))
]
BatchSize = Annotated[
    int | None, typer.Option(min=1, metavar="N", help=field_help(f"{_OPTIMIZER}.batch_size", _BY_RECIPE))
]
Accumulate = Annotated[
    int | None, typer.Option(min=1, metavar="N", help=field_help(f"{_TRAIN}.gradient_accumulation"))
]
LearningRate = Annotated[
    float | None, typer.Option(metavar="RATE", help=field_help(f"{_OPTIMIZER}.learning_rate", _BY_RECIPE))
]
TrainingSeed = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, metavar="N", help=f"Random seed of initial weights and batches. {_BY_RECIPE}"
    ),
]
TrainingPrecision = Annotated[
    Literal["auto", "bf16", "fp32"] | None,
    typer.Option("--precision", help=field_help(f"{_TRAIN}.precision", "Default: auto.")),
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"], typer.Option(help="Number format of the networks.")
]
Init = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|FOLDER",
        help="Model to take initial weights from, for the parts that it has; may be repeated. Default: "
        "random weights.",
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Cache folder for decoded clips and features. Default: in $CINEFOLEY_HOME."
    ),
]
ModelFolders = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME|FOLDER",
        help="Where to find the trained video_encoder/ and vae/; may be repeated, the first that has a part "
        "is used.",
    ),
]


def check_bootstrap(count: int) -> None:
    """Reject too few resamplings for an interval.

    Raises:
        BadParameter: If there are some, but fewer than :data:`FEWEST_RESAMPLINGS`.
    """
    if 0 < count < FEWEST_RESAMPLINGS:
        raise typer.BadParameter(
            f"a 95 % interval needs at least {FEWEST_RESAMPLINGS} resamplings, got --bootstrap {count}; "
            "--bootstrap 0 prints no intervals."
        )


def count_workers(workers: int) -> int:
    """Resolve ``--workers``.

    Raises:
        BadParameter: If it is 0.
    """
    if workers == 0:
        raise typer.BadParameter("--workers must not be 0; -1 starts one process per CPU core.")
    return workers if workers > 0 else os.cpu_count() or 1
