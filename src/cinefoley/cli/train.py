"""``cinefoley train``: the stages of a model, each with one command."""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import typer

from cinefoley.cli.progress import progress_bar

if TYPE_CHECKING:
    from cinefoley.config.recipes import TrainingPreset
    from cinefoley.data.clips import ClipSource
    from cinefoley.training.stages import Stage, StageResult

__all__ = ["app"]

app = typer.Typer(
    help="Train the stages of a model on films of your own, or on the Foley stage.", no_args_is_help=True
)

# Every stage takes the same options; what a stage adds is in its own signature.
_Data = Annotated[
    str,
    typer.Option(
        metavar="stage|DIR",
        help="The Foley stage (stage, stage:valid), a folder of films, or one that `stage export` wrote.",
    ),
]
_RunDir = Annotated[
    Path,
    typer.Option(metavar="DIR", help="Checkpoint, log, ledger and the finished part; go on by repeating."),
]
_Csv = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="The folder's list: id,start,label,split (VGGSound's).", show_default=False
    ),
]
_Split = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Rows or stage clips of this split. Default: train.", show_default=False
    ),
]
_Valid = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|none",
        help="The split to validate on and make samples of. Default: valid of the stage.",
        show_default=False,
    ),
]
_ValidClips = Annotated[int, typer.Option(min=1, metavar="N", help="Its first N clips.")]
_ValidateEvery = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="STEPS",
        help="Validate and make samples so often. Default: at the end.",
        show_default=False,
    ),
]
_Labels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Labels that the list may have, one a line.", show_default=False),
]
_Clips = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Use the first N clips. Default: all; 4096 of the stage.", show_default=False
    ),
]
_Duration = Annotated[float, typer.Option(min=1, metavar="S", help="Seconds that are kept of a clip.")]
_Preset = Annotated[
    Literal["lite", "diff_foley"], typer.Option(help="Shapes and recipe: ours for two cores, or published.")
]
_Steps = Annotated[
    int | None, typer.Option(min=1, help="Optimiser steps. Default: the recipe's.", show_default=False)
]
_BatchSize = Annotated[
    int | None,
    typer.Option(min=1, help="Clips per step, over all ranks. Default: the recipe's.", show_default=False),
]
_LearningRate = Annotated[
    float | None, typer.Option(help="Peak learning rate. Default: the recipe's.", show_default=False)
]
_Accumulate = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Compute a step's clips in N parts, to need less memory.", show_default=False
    ),
]
_Init = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|DIR",
        help="First weights of the trained parts, where it has them. Default: random.",
        show_default=False,
    ),
]
_Seed = Annotated[
    int | None,
    typer.Option(min=0, help="Of weights and draws. Default: the recipe's.", show_default=False),
]
_Precision = Annotated[
    Literal["auto", "bf16", "fp32"] | None,
    typer.Option(help="Arithmetic of the forward pass. Default: auto.", show_default=False),
]
_Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where decoded clips and features are kept. Default: training/ in the cache folder.",
        show_default=False,
    ),
]
_Workers = Annotated[
    int | None,
    typer.Option(metavar="N", help="Processes that decode. Default: one a core.", show_default=False),
]
_Device = Annotated[
    str, typer.Option(metavar="auto|cpu|cuda|cuda:N|mps", help="Where features and latents are computed.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")]
_Model = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|DIR",
        help="Where video_encoder/ and vae/ are; several are searched in turn.",
        show_default=False,
    ),
]


@app.command()
def cavp(
    run_dir: _RunDir,
    data: _Data = "stage",
    csv: _Csv = None,
    split: _Split = None,
    valid: _Valid = None,
    valid_clips: _ValidClips = 64,
    validate_every: _ValidateEvery = None,
    labels: _Labels = None,
    clips: _Clips = None,
    duration: _Duration = 10.0,
    preset: _Preset = "lite",
    init: _Init = None,
    steps: _Steps = None,
    warm_start_steps: Annotated[
        int | None,
        typer.Option(
            min=0, help="Steps before the contrast. Default: the recipe's; 0: none.", show_default=False
        ),
    ] = None,
    batch_size: _BatchSize = None,
    accumulate: _Accumulate = None,
    learning_rate: _LearningRate = None,
    seed: _Seed = None,
    precision: _Precision = None,
    cache: _Cache = None,
    workers: _Workers = None,
    device: _Device = "auto",
    as_json: _Json = False,
    quiet: _Quiet = False,
) -> None:
    """Train both towers of CAVP: leaves video_encoder/ and audio_encoder/ in the run's folder.

    On the Foley stage, whose events are known, the preset lite first teaches both what each frame sounds
    like.
    """
    _train("cavp", locals())


@app.command()
def autoencoder(
    run_dir: _RunDir,
    data: _Data = "stage",
    csv: _Csv = None,
    split: _Split = None,
    valid: _Valid = None,
    valid_clips: _ValidClips = 64,
    validate_every: _ValidateEvery = None,
    labels: _Labels = None,
    clips: _Clips = None,
    duration: _Duration = 10.0,
    preset: _Preset = "lite",
    init: _Init = None,
    steps: _Steps = None,
    batch_size: _BatchSize = None,
    accumulate: _Accumulate = None,
    learning_rate: _LearningRate = None,
    seed: _Seed = None,
    precision: _Precision = None,
    cache: _Cache = None,
    workers: _Workers = None,
    device: _Device = "auto",
    as_json: _Json = False,
    quiet: _Quiet = False,
) -> None:
    """Train the mel autoencoder: leaves vae/ in the run's folder.

    Repeating the command goes on where it was stopped. Clips that cannot be used are named in ledger.jsonl.
    """
    _train("autoencoder", locals())


@app.command()
def ldm(
    run_dir: _RunDir,
    model: _Model = None,
    data: _Data = "stage",
    csv: _Csv = None,
    split: _Split = None,
    valid: _Valid = None,
    valid_clips: _ValidClips = 64,
    validate_every: _ValidateEvery = None,
    labels: _Labels = None,
    clips: _Clips = None,
    duration: _Duration = 10.0,
    preset: _Preset = "lite",
    init: _Init = None,
    steps: _Steps = None,
    batch_size: _BatchSize = None,
    accumulate: _Accumulate = None,
    learning_rate: _LearningRate = None,
    seed: _Seed = None,
    precision: _Precision = None,
    cache: _Cache = None,
    workers: _Workers = None,
    device: _Device = "auto",
    as_json: _Json = False,
    quiet: _Quiet = False,
) -> None:
    """Train denoiser and conditioner: leaves unet/, conditioner/ and scheduler/ in the run's folder.

    It starts from the video_encoder/ and vae/ of --model, which may be given twice: once for each.
    """
    _train("ldm", locals())


@app.command()
def alignment(
    run_dir: _RunDir,
    model: _Model = None,
    data: _Data = "stage",
    csv: _Csv = None,
    split: _Split = None,
    valid: _Valid = None,
    valid_clips: _ValidClips = 64,
    validate_every: _ValidateEvery = None,
    labels: _Labels = None,
    clips: _Clips = None,
    duration: _Duration = 10.0,
    for_guidance: Annotated[
        bool, typer.Option("--for-guidance", help="Train the guidance classifier instead.")
    ] = False,
    preset: _Preset = "lite",
    init: _Init = None,
    steps: _Steps = None,
    batch_size: _BatchSize = None,
    accumulate: _Accumulate = None,
    learning_rate: _LearningRate = None,
    seed: _Seed = None,
    precision: _Precision = None,
    cache: _Cache = None,
    workers: _Workers = None,
    device: _Device = "auto",
    as_json: _Json = False,
    quiet: _Quiet = False,
) -> None:
    """Train the classifier that judges synchrony: leaves alignment/ in the run's folder.

    With --for-guidance it learns on noisy latents and leaves guidance_classifier/, for double guidance.
    Either starts from the video_encoder/ and vae/ of --model.
    """
    _train("guidance" if for_guidance else "alignment", locals())


def _train(stage: "Stage", options: dict[str, Any]) -> None:
    """One run, from its options to what is printed."""
    from cinefoley.data.opening import open_source, read_labels
    from cinefoley.models.importing.published import cache_home
    from cinefoley.pipelines.devices import choose_device
    from cinefoley.training.stages import StageSettings, train_stage

    workers = os.cpu_count() if options["workers"] is None else options["workers"]
    if workers == 0:
        raise typer.BadParameter("--workers must not be 0; -1 takes every core.")
    preset = _preset(options["preset"])
    clip_s = max(options["duration"], preset.model.foley.window_s)
    source = open_source(
        options["data"],
        csv=options["csv"],
        split=options["split"],
        label_names=None if options["labels"] is None else read_labels(options["labels"]),
        count=options["clips"],
        duration_s=clip_s,
    )
    if source.name == "stage:test":
        raise typer.BadParameter("the stage's test split is there to measure with; train on stage:train.")
    is_told = not options["quiet"] and _is_main_rank()
    if is_told:
        _note_unused_list(options)
    names = ("steps", "batch_size", "learning_rate", "seed", "precision")
    with _Preparation(is_wanted=is_told) as preparation:
        settings = StageSettings(
            preset=preset,
            run_dir=options["run_dir"],
            cache_dir=options["cache"] or cache_home() / "training",
            held_out=_held_out(options, clip_s),
            models=options.get("model") or (),
            init=options["init"] or (),
            clip_s=clip_s,
            workers=workers or 1,
            device=choose_device(_own_device(options["device"])),
            overrides={name: options[name] for name in names}
            | {
                "gradient_accumulation": options["accumulate"],
                "validate_every": options["validate_every"],
                "sample_every": options["validate_every"],
            },
            warm_start_steps=options.get("warm_start_steps"),
            on_note=_note if is_told else None,
            on_prepared=preparation.tell,
            on_log=_log_line(stage) if is_told else None,
            shows_progress=is_told,
        )
        try:
            result = train_stage(stage, source, settings)
        except ValueError as exc:
            raise typer.BadParameter(str(exc)) from exc
        except KeyboardInterrupt:
            typer.echo("interrupted; what is finished is kept, and the same command goes on.", err=True)
            raise
    if _is_main_rank():
        _tell(stage, source, options["run_dir"], result, as_json=options["as_json"], is_told=is_told)


def _held_out(options: dict[str, Any], clip_s: float) -> "ClipSource | None":
    """Clips of another split of the same data."""
    from cinefoley.data.folder_source import find_export
    from cinefoley.data.opening import open_source

    data, csv, split = options["data"], options["csv"], options["valid"]
    name = data.partition(":")[0]
    if split is None:
        is_there = name == "stage" or (csv is None and find_export(Path(data).expanduser(), "valid"))
        is_trained_on = "valid" in (options["split"], data.partition(":")[2])
        split = "valid" if is_there and not is_trained_on else None
    if split in (None, "none"):
        return None
    return open_source(
        "stage" if name == "stage" else data,
        csv=csv,
        split=split,
        count=options["valid_clips"],
        duration_s=clip_s,
    )


class _Preparation:
    """One bar after the other, gone before the engine draws its own."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._drawn = ExitStack()
        self._what = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drawn.close()

    def tell(self, what: str, done: int, total: int) -> None:
        """Show how many are ready."""
        if what != self._what:
            self._drawn.close()
            self._what = what
            self._step = self._drawn.enter_context(progress_bar(1, is_wanted=self._is_wanted)).film(0, what)
        self._step(done, total)
        if done == total:
            self._drawn.close()


def _preset(name: str) -> "TrainingPreset":
    from cinefoley.config import presets

    return presets.lite_training() if name == "lite" else presets.diff_foley_training()


def _is_main_rank() -> bool:
    """Under torchrun one process talks."""
    return os.environ.get("RANK", "0") == "0"


def _own_device(name: str) -> str:
    """Under torchrun, every process's own GPU."""
    rank = os.environ.get("LOCAL_RANK")
    if name != "auto" or rank is None:
        return name
    from cinefoley.pipelines.devices import visible_devices

    return f"cuda:{rank}" if f"cuda:{rank}" in visible_devices() else name


def _note_unused_list(options: dict[str, Any]) -> None:
    """A list that lies among the films and was not named is easily forgotten."""
    folder = Path(options["data"]).expanduser()
    if options["csv"] is not None or not folder.is_dir():
        return
    lists = sorted(folder.glob("*.csv"))
    exports = {path.name.removesuffix(".settings.json") for path in folder.glob("*.settings.json")}
    if lists and not {path.stem for path in lists} & exports:
        typer.echo(f"note: {lists[0]} is not used; name it with --csv for its labels and splits.", err=True)


def _note(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


def _log_line(stage: str) -> Callable[[dict[str, float]], None]:
    """A line on stderr for each line of the log."""

    def tell(line: dict[str, float]) -> None:
        figures = "  ".join(f"{name} {value:g}" for name, value in line.items() if name != "step")
        print(f"{stage} step {line['step']}  {figures}", file=sys.stderr, flush=True)

    return tell


def _tell(
    stage: str, source: "ClipSource", run_dir: Path, result: "StageResult", *, as_json: bool, is_told: bool
) -> None:
    reasons = Counter(entry["reason"] for entry in result.ledger)
    if is_told:
        told = "".join(f", {number} {reason}" for reason, number in sorted(reasons.items()))
        where = f" (see {run_dir / 'ledger.jsonl'})" if reasons else ""
        typer.echo(f"{result.num_clips} of {len(source)} clips used{told}{where}", err=True)
    if as_json:
        report = {
            "stage": stage,
            "run_dir": str(run_dir),
            "parts": [str(part) for part in result.parts],
            "data": source.name,
            "num_clips": result.num_clips,
            "left_out": dict(reasons),
            "steps": result.config.steps,
            "last": dict(result.last),
        }
        typer.echo(json.dumps(report, indent=2))
    else:
        for part in result.parts:
            typer.echo(part)
