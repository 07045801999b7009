"""Options, data and reports shared by the training commands."""

import inspect
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cinefoley.cli import options
from cinefoley.cli.outputs import note, print_json, resumable, summarize_skipped

if TYPE_CHECKING:
    from cinefoley.data.sources.clip_source import ClipSource
    from cinefoley.training.run_settings import RunResult

__all__ = [
    "check_unseen",
    "data_name",
    "held_out_source",
    "is_main_rank",
    "log_interval",
    "log_line",
    "note_unused_csv",
    "report_result",
    "resumable_training",
    "trained_source",
    "with_training_options",
]


def with_training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every training command to a command.

    Args:
        command: Called with all values by option, and with those of its own options by keyword. Its own
            options come after ``--run-dir`` in its help, and replace shared ones of the same name.
    """

    def run(**given: Any) -> None:
        command(given, **{option.name: given[option.name] for option in own})

    _, *own = inspect.signature(command).parameters.values()
    run_dir, *shared = inspect.signature(_training_options).parameters.values()
    names = {option.name for option in own}
    options_in_order = (run_dir, *own, *(option for option in shared if option.name not in names))
    parameters = [option.replace(kind=option.KEYWORD_ONLY) for option in options_in_order]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in parameters}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def _training_options(
    *,
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
    seed: options.TrainingSeed = None,
    precision: options.TrainingPrecision = None,
    cache: options.Cache = None,
    workers: options.Workers = -1,
    device: options.Device = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Declare the options of every training command."""


def data_name(given: dict[str, Any]) -> str:
    """Name of the dataset for a protocol line; the stage's with its digest."""
    from cinefoley.data.source_argument import STAGES
    from cinefoley.stage import stage_digest

    name = str(given["data"])
    return f"{name} {stage_digest(STAGES[name])[:12]}" if name in STAGES else name


def trained_source(given: dict[str, Any], clip_s: float) -> tuple[int, "ClipSource"]:
    """Number of worker processes, and the clips to train on.

    Args:
        given: Values by option.
        clip_s: Length of a stage clip, in seconds.

    Raises:
        DataError: If there is no such dataset.
        BadParameter: If the options name clips that must not be trained on.
    """
    from cinefoley.data.source_argument import is_stage, open_clip_source, read_labels

    workers = options.count_workers(given["workers"])
    labels = given["labels"]
    source = open_clip_source(
        given["data"],
        csv=given["csv"],
        split=given["split"],
        label_names=None if labels is None else read_labels(labels),
        count=given["clips"],
        duration_s=clip_s,
    )
    if is_stage(source.name) and source.name.endswith(":test"):
        raise typer.BadParameter("the stage's test split is for evaluation only; train on stage:train.")
    return workers, source


@contextmanager
def resumable_training() -> Iterator[None]:
    """Report invalid settings as usage errors, and on Ctrl-C that the run can be resumed."""
    with resumable("the checkpoint and all finished parts"):
        try:
            yield
        except ValueError as exc:
            raise typer.BadParameter(str(exc)) from exc


def log_interval(validate_every: int | None) -> int | None:
    """Steps between lines of the log, so that every validation has one; None leaves the default."""
    from cinefoley.config.training import LOG_EVERY

    return None if validate_every is None else math.gcd(validate_every, LOG_EVERY)


def check_unseen(trained: "ClipSource", measured: "ClipSource", *, use: str, remedy: str) -> None:
    """Check that no clip is both trained and measured on.

    Raises:
        DataError: If there is one.
    """
    from cinefoley.errors import DataError

    known = set(trained.ids)
    seen = [name for name in measured.ids if name in known]
    if seen:
        raise DataError(
            f"{trained.name}: {len(seen)} of {len(measured)} clips to {use} are training clips too, first "
            f"{seen[0]}. {remedy}"
        )


def held_out_source(given: dict[str, Any], clip_s: float, trained: "ClipSource") -> "ClipSource | None":
    """Clips to validate on: another split of the same dataset.

    Raises:
        DataError: If there is no such split, or its clips are trained on.
        BadParameter: If it is the stage's test split.
    """
    from cinefoley.data.source_argument import is_stage, open_clip_source
    from cinefoley.data.sources.folder import find_export

    data, csv, split = given["data"], given["csv"], given["valid"]
    name = data.partition(":")[0]
    if split is None:
        exists = is_stage(name) or (csv is None and find_export(Path(data).expanduser(), "valid"))
        is_trained_on = "valid" in (given["split"], data.partition(":")[2])
        split = "valid" if exists and not is_trained_on else None
    if split in (None, "none"):
        return None
    held_out = open_clip_source(
        name if is_stage(name) else data,
        csv=csv,
        split=split,
        count=given["valid_clips"],
        duration_s=clip_s,
    )
    if is_stage(held_out.name) and held_out.name.endswith(":test"):
        raise typer.BadParameter("the stage's test split is for evaluation only; validate on valid.")
    check_unseen(
        trained, held_out, use="validate on", remedy="Name another split with --valid, or --valid none."
    )
    return held_out


def note_unused_csv(given: dict[str, Any]) -> None:
    """Point out a split CSV that lies in the dataset's folder and is not used."""
    folder = Path(given["data"]).expanduser()
    if given["csv"] is not None or not folder.is_dir():
        return
    found = sorted(folder.glob("*.csv"))
    exports = {path.name.removesuffix(".settings.json") for path in folder.glob("*.settings.json")}
    if found and not {path.stem for path in found} & exports:
        note(f"{found[0]} is not used; pass it with --csv to use its labels and splits.")


def is_main_rank() -> bool:
    """Whether this process prints: under torchrun only rank 0 does."""
    return os.environ.get("RANK", "0") == "0"


def log_line(stage: str) -> Callable[[dict[str, float]], None]:
    """A function that prints a line of the training log on stderr."""

    def show(line: dict[str, float]) -> None:
        figures = "  ".join(f"{name} {value:g}" for name, value in line.items() if name != "step")
        print(f"{stage} step {line['step']}  {figures}", file=sys.stderr, flush=True)

    return show


def report_result(
    stage: str, source: "ClipSource", given: dict[str, Any], result: "RunResult", *, is_verbose: bool
) -> None:
    """Print the number of clips used and skipped, and the trained parts."""
    run_dir: Path = given["run_dir"]
    if is_verbose:
        skipped = summarize_skipped(result.ledger, run_dir / "ledger.jsonl")
        typer.echo(f"{result.num_clips} of {len(source)} clips used{skipped}", err=True)
    if given["as_json"]:
        print_json(
            {
                "stage": stage,
                "run_dir": str(run_dir),
                "parts": [str(part) for part in result.parts],
                "data": source.name,
                "num_clips": result.num_clips,
                "left_out": dict(Counter(entry["reason"] for entry in result.ledger)),
                "steps": result.config.steps,
                "last": dict(result.last),
            }
        )
    else:
        for part in result.parts:
            typer.echo(part)
