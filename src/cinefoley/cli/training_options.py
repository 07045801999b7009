"""Options that every command of training takes; what one adds is in its own signature."""

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "Accumulate",
    "BatchSize",
    "Cache",
    "Clips",
    "Csv",
    "Data",
    "Device",
    "Duration",
    "Init",
    "Json",
    "Labels",
    "LearningRate",
    "Model",
    "Precision",
    "Preset",
    "Quiet",
    "RunDir",
    "Seed",
    "Split",
    "Steps",
    "Valid",
    "ValidClips",
    "ValidateEvery",
    "Workers",
]

Data = Annotated[
    str,
    typer.Option(
        metavar="stage|DIR",
        help="The Foley stage (stage, stage:valid), a folder of films, or one that `stage export` wrote.",
    ),
]
RunDir = Annotated[
    Path,
    typer.Option(metavar="DIR", help="Checkpoint, log, ledger and the finished part; go on by repeating."),
]
Csv = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="The folder's list: id,start,label,split (VGGSound's).", show_default=False
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Rows or stage clips of this split. Default: train.", show_default=False
    ),
]
Valid = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|none",
        help="The split to validate on and make samples of. Default: valid of the stage.",
        show_default=False,
    ),
]
ValidClips = Annotated[int, typer.Option(min=1, metavar="N", help="Its first N clips.")]
ValidateEvery = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="STEPS",
        help="Validate and make samples so often. Default: at the end.",
        show_default=False,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Labels that the list may have, one a line.", show_default=False),
]
Clips = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Use the first N clips. Default: all; 4096 of the stage.", show_default=False
    ),
]
Duration = Annotated[float, typer.Option(min=1, metavar="S", help="Seconds that are kept of a clip.")]
Preset = Annotated[
    Literal["lite", "diff_foley"], typer.Option(help="Shapes and recipe: ours for two cores, or published.")
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Optimiser steps. Default: the recipe's.", show_default=False),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Clips per step, over all ranks. Default: the recipe's.", show_default=False
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(metavar="RATE", help="Peak learning rate. Default: the recipe's.", show_default=False),
]
Accumulate = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Compute a step's clips in N parts, to need less memory.", show_default=False
    ),
]
Init = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|DIR",
        help="First weights of the trained parts, where it has them. Default: random.",
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Of weights and draws. Default: the recipe's.", show_default=False),
]
Precision = Annotated[
    Literal["auto", "bf16", "fp32"] | None,
    typer.Option(help="Arithmetic of the forward pass. Default: auto.", show_default=False),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where decoded clips and features are kept. Default: training/ in the cache folder.",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", help="Processes that decode. Default: one a core.", show_default=False),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda|cuda:N|mps", help="Where features are computed, and training goes on."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")]
Model = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|DIR",
        help="Where video_encoder/ and vae/ are; several are searched in turn.",
        show_default=False,
    ),
]
