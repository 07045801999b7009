"""What the commands of training share around the training itself: data, devices, progress, the report."""

import json
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import typer

from cinefoley.cli.progress import progress_bar

if TYPE_CHECKING:
    from cinefoley.data.sources.clip_source import ClipSource
    from cinefoley.training.run_settings import RunResult

__all__ = [
    "Preparation",
    "check_unseen",
    "data_name",
    "friendly_stops",
    "held_out_source",
    "is_main_rank",
    "log_interval",
    "log_line",
    "note",
    "note_unused_list",
    "tell_result",
    "trained_source",
]


class Preparation:
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


def data_name(given: dict[str, Any]) -> str:
    """What a protocol calls the clips: the stage by its digest, all else by its name."""
    from cinefoley.stage import stage_digest

    return f"stage {stage_digest()[:12]}" if given["data"] == "stage" else str(given["data"])


def trained_source(given: dict[str, Any], clip_s: float) -> tuple[int, "ClipSource"]:
    """How many processes decode, and the clips that the options name.

    Raises:
        DataError: If there is no such source.
        BadParameter: If the options ask for nothing that can be trained on.
    """
    from cinefoley.data.source_argument import open_clip_source, read_labels

    workers = os.cpu_count() if given["workers"] is None else given["workers"]
    if workers == 0:
        raise typer.BadParameter("--workers must not be 0; -1 takes every core.")
    labels = given.get("labels")
    source = open_clip_source(
        given["data"],
        csv=given["csv"],
        split=given["split"],
        label_names=None if labels is None else read_labels(labels),
        count=given["clips"],
        duration_s=clip_s,
    )
    if source.name == "stage:test":
        raise typer.BadParameter("the stage's test split is there to measure with; train on stage:train.")
    return workers or 1, source


@contextmanager
def friendly_stops() -> Iterator[None]:
    """Turn what is wrong with the options into usage errors, and say after Ctrl-C what is kept."""
    try:
        yield
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    except KeyboardInterrupt:
        typer.echo("interrupted; what is finished is kept, and the same command goes on.", err=True)
        raise


def log_interval(validate_every: int | None) -> int | None:
    """Steps between lines of the log, so that every validation has one; None leaves the default."""
    from cinefoley.config.training import LOG_EVERY

    return None if validate_every is None else math.gcd(validate_every, LOG_EVERY)


def check_unseen(trained: "ClipSource", measured: "ClipSource", *, use: str, remedy: str) -> None:
    """Refuse to measure on clips that are trained on.

    Raises:
        DataError: If there is one.
    """
    from cinefoley.errors import DataError

    known = set(trained.ids)
    seen = [name for name in measured.ids if name in known]
    if seen:
        raise DataError(
            f"{trained.name}: {len(seen)} of {len(measured)} clips to {use} are trained on too, first "
            f"{seen[0]}. {remedy}"
        )


def held_out_source(given: dict[str, Any], clip_s: float, trained: "ClipSource") -> "ClipSource | None":
    """Clips of another split of the same data.

    Raises:
        DataError: If there is no such split, or its clips are trained on.
        BadParameter: If it is the stage's, to test with.
    """
    from cinefoley.data.source_argument import open_clip_source
    from cinefoley.data.sources.folder import find_export

    data, csv, split = given["data"], given["csv"], given["valid"]
    name = data.partition(":")[0]
    if split is None:
        is_there = name == "stage" or (csv is None and find_export(Path(data).expanduser(), "valid"))
        is_trained_on = "valid" in (given["split"], data.partition(":")[2])
        split = "valid" if is_there and not is_trained_on else None
    if split in (None, "none"):
        return None
    held_out = open_clip_source(
        "stage" if name == "stage" else data,
        csv=csv,
        split=split,
        count=given["valid_clips"],
        duration_s=clip_s,
    )
    if held_out.name == "stage:test":
        raise typer.BadParameter("the stage's test split is there to measure with; validate on valid.")
    check_unseen(
        trained, held_out, use="validate on", remedy="Name another split with --valid, or --valid none."
    )
    return held_out


def note_unused_list(given: dict[str, Any]) -> None:
    """A list that lies among the films and was not named is easily forgotten."""
    folder = Path(given["data"]).expanduser()
    if given["csv"] is not None or not folder.is_dir():
        return
    lists = sorted(folder.glob("*.csv"))
    exports = {path.name.removesuffix(".settings.json") for path in folder.glob("*.settings.json")}
    if lists and not {path.stem for path in lists} & exports:
        typer.echo(f"note: {lists[0]} is not used; name it with --csv for its labels and splits.", err=True)


def is_main_rank() -> bool:
    """Under torchrun one process talks."""
    return os.environ.get("RANK", "0") == "0"


def note(text: str) -> None:
    """Tell the user something on stderr."""
    typer.echo(f"note: {text}", err=True)


def log_line(stage: str) -> Callable[[dict[str, float]], None]:
    """A line on stderr for each line of the log."""

    def tell(line: dict[str, float]) -> None:
        figures = "  ".join(f"{name} {value:g}" for name, value in line.items() if name != "step")
        print(f"{stage} step {line['step']}  {figures}", file=sys.stderr, flush=True)

    return tell


def tell_result(
    stage: str, source: "ClipSource", run_dir: Path, result: "RunResult", *, as_json: bool, is_told: bool
) -> None:
    """Print what was used, left out and written."""
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
