"""Find the takes that ``generate`` wrote for a video, and the options that say what its timecode is."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinefoley.errors import MediaError, MissingWeightsError

if TYPE_CHECKING:
    from cinefoley.delivery.timecode import TimecodeClock

__all__ = [
    "DropFrame",
    "StartTimecode",
    "TakesFolder",
    "TimecodeRate",
    "WrittenTake",
    "find_written_takes",
    "kinds_of",
    "make_clock",
]

TakesFolder = Annotated[
    Path, typer.Option("--takes-in", metavar="DIR", help="Folder that `cinefoley generate` wrote takes to.")
]
StartTimecode = Annotated[
    str | None,
    typer.Option(
        metavar="HH:MM:SS:FF",
        help="Timecode of the first frame. Default: the video's own timecode track, otherwise 01:00:00:00.",
    ),
]
TimecodeRate = Annotated[
    str | None,
    typer.Option(
        metavar="FPS", help="Frame rate of the timecode, such as 25 or 23.976. Default: the video's."
    ),
]
DropFrame = Annotated[
    bool | None,
    typer.Option(
        "--drop-frame/--non-drop-frame",
        help="Count drop-frame timecode, at 29.97 and 59.94. Default: as the video's own timecode, otherwise "
        "drop-frame.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTake:
    """A take that ``generate`` wrote."""

    take: int
    """Its number."""
    wav: Path
    """The sound."""
    start_s: float
    """Where in the video it begins, in seconds."""
    model: str
    """Name of the model; empty if no record states it."""
    seed: int | None
    """Seed; None if no record states it."""
    record: dict[str, Any]
    """What the JSON beside it says of the take."""


def find_written_takes(video: Path, folder: Path, numbers: Sequence[int] | None = None) -> list[WrittenTake]:
    """Takes of a video, ascending.

    Args:
        video: The video.
        folder: What ``generate -o`` named.
        numbers: The takes to find; None finds all.

    Raises:
        MediaError: If one is missing, or there is none.
    """
    if numbers is None:
        prefix = f"{video.stem}.take"
        texts = [path.stem.removeprefix(prefix) for path in folder.glob(f"{_escape(prefix)}*.wav")]
        numbers = sorted(int(text) for text in texts if text.isdecimal())
    if not numbers:
        raise MediaError(
            f"{folder}: has no take of {video.name}. Generate one with "
            f"`cinefoley generate {video} -o {folder}`."
        )
    return [_written_take(video, folder, number) for number in numbers]


def kinds_of(takes: Sequence[WrittenTake]) -> set[str]:
    """Kinds of sound that the models of takes name; none for models that are not on this machine."""
    from cinefoley.models.kinds import Kinds
    from cinefoley.pipelines.loading import resolve_model

    kinds: set[str] = set()
    for model in {take.model for take in takes if take.model}:
        with suppress(MissingWeightsError):
            kinds.update(Kinds.names_of(resolve_model(model, local_files_only=True)))
    return kinds


def make_clock(
    video: Path, start_timecode: str | None, timecode_rate: str | None, drop_frame: bool | None
) -> "TimecodeClock":
    """The clock of a video with these options."""
    from cinefoley.delivery.timecode import clock_of

    return clock_of(video, start=start_timecode, rate=timecode_rate, is_drop_frame=drop_frame)


def _written_take(video: Path, folder: Path, number: int) -> WrittenTake:
    from cinefoley.pipelines.takes.sidecar import find_take

    wav = folder / f"{video.stem}.take{number}.wav"
    if not wav.is_file():
        raise MediaError(
            f"{wav}: does not exist. Choose another take or folder, or generate it with `cinefoley generate`."
        )
    run, record = find_take(folder / f"{video.stem}.json", number) or ({}, {})
    return WrittenTake(
        take=number,
        wav=wav,
        start_s=float(run.get("settings", {}).get("start", 0.0)),
        model=str((run.get("model") or {}).get("name", "")),
        seed=run.get("seed"),
        record=record,
    )


def _escape(text: str) -> str:
    from glob import escape

    return escape(text)
