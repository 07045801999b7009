"""``cinefoley spot``: write a cue sheet of the events in a take."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from cinefoley.cli import options
from cinefoley.cli.outputs import note, print_json
from cinefoley.cli.take_inputs import (
    DropFrame,
    StartTimecode,
    TakesFolder,
    TimecodeRate,
    find_written_takes,
    kinds_of,
    make_clock,
)
from cinefoley.errors import OutputError

if TYPE_CHECKING:
    from cinefoley.delivery.cue_sheets import CueFormat

__all__ = ["spot"]


def spot(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Video that takes were generated for.")],
    takes_in: TakesFolder = Path("foley"),
    take: Annotated[int, typer.Option(min=1, metavar="N", help="Number of the take.")] = 1,
    sheets: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="csv|edl|otio|reaper",
            help="Format of the cue sheet; may be repeated. Default: all four.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Output folder. Default: that of the takes."),
    ] = None,
    start_timecode: StartTimecode = None,
    timecode_rate: TimecodeRate = None,
    drop_frame: DropFrame = None,
    force: options.Force = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a cue sheet of the events in a take: time, timecode, strength, and kind.

    For take 1 of rain.mp4 this writes rain.take1.cues.csv, .cues.edl (locators), .cues.otio (markers) and
    .cues.reaper.csv (for Reaper's region and marker manager). Edit times in either CSV, and give it back with
    `cinefoley generate --cues`. Kinds are named in takes of models that know kinds (`cinefoley models info`).
    """
    from cinefoley.delivery.cue_sheets import cue_sheet_path, write_cues
    from cinefoley.delivery.cues import find_file_cues
    from cinefoley.delivery.kinds import KindNamer
    from cinefoley.media.timing import video_duration

    forms = _check_formats(sheets)
    clock = make_clock(video, start_timecode, timecode_rate, drop_frame)
    duration_s = video_duration(video)
    (written,) = find_written_takes(video, takes_in, [take])
    folder = takes_in if out is None else out
    paths = {form: cue_sheet_path(folder, written.wav.stem, form) for form in forms}
    for path in paths.values():
        if path.exists() and not force:
            raise OutputError(
                f"{path}: exists. Choose another folder with -o, or pass --force to replace it."
            )
    namer = KindNamer(kinds_of([written]))
    cues = find_file_cues(written.wav, start_s=written.start_s, namer=namer)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"{folder}: cannot be made ({exc.strerror}). Choose another with -o.") from exc
    for form, path in paths.items():
        write_cues(path, cues, clock, video=video, duration_s=duration_s, form=form)
    if not cues and not quiet:
        note(f"{written.wav.name}: no event was found.")
    if as_json:
        rows = [{"timecode": clock.at(cue.time_s)} | asdict(cue) for cue in cues]
        print_json({"cues": rows, "start": clock.start, "outputs": [str(path) for path in paths.values()]})
    else:
        typer.echo("\n".join(str(path) for path in paths.values()))


def _check_formats(names: list[str] | None) -> "list[CueFormat]":
    from cinefoley.delivery.cue_sheets import CueFormat

    known: tuple[CueFormat, ...] = get_args(CueFormat)
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise typer.BadParameter(
            f"no such format {unknown[0]!r}; choose from {', '.join(known)}.", param_hint="--format"
        )
    return [form for form in known if names is None or form in names]
