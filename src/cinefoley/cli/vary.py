"""``cinefoley vary``: films and test sets shown with a close-up or a camera movement."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli.inputs import are_shards, find_films
from cinefoley.cli.progress import progress_bar
from cinefoley.errors import CinefoleyError, MediaError, OutputError

if TYPE_CHECKING:
    from cinefoley.data.shards.source import ShardSource
    from cinefoley.data.test_sets.test_set import VariedSet
    from cinefoley.variations.camera_movement import CameraMovement
    from cinefoley.variations.close_up import CloseUp

__all__ = ["vary"]

# The defaults are the variations', which a test holds them to; importing them would load torch.


def vary(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO|SPLIT.csv|SHARDS",
            help="Films, folders of films, patterns; or one list of clips, or one folder of shards.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for what is made.")],
    close_up: Annotated[
        bool, typer.Option("--close-up", help="One window for all frames (the paper's f_cu).")
    ] = False,
    camera_movement: Annotated[
        bool, typer.Option("--camera-movement", help="A window that crosses the frame (f_cm).")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="The same seed gives the same windows.")
    ] = 0,
    scale_range: Annotated[
        tuple[float, float], typer.Option(metavar="A B", help="Fraction of each side that is kept.")
    ] = (0.4, 0.6),
    placement: Annotated[
        Literal["center", "uniform"] | None,
        typer.Option(help="Where a close-up's window sits. Default: center.", show_default=False),
    ] = None,
    direction: Annotated[
        Literal["auto", "left", "right", "up", "down"] | None,
        typer.Option(
            help="The way a moving window goes. Default: drawn, along the longer side.", show_default=False
        ),
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="SPLIT.csv: folder of the clips. Default: the list's."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="SPLIT.csv, SHARDS: only clips of this split, e.g. test."),
    ] = None,
    view: Annotated[
        bool, typer.Option("--view", help="SPLIT.csv, SHARDS: record the windows, make no films.")
    ] = False,
    jobs: Annotated[
        int, typer.Option(metavar="N", help="SPLIT.csv, SHARDS: processes at work; -1 for every core.")
    ] = -1,
    force: Annotated[
        bool, typer.Option("--force", help="VIDEO: replace films that were made otherwise.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no notes.")] = False,
) -> None:
    """Show films as a close-up or a moving camera would.

    For rain.mp4 this writes rain.close-up.mp4 (a window of the picture, the sound copied untouched) and
    rain.close-up.json (the window). For a list of clips, such as VGGSound's vggsound.csv, it builds a whole
    test set: films in clips/, manifest.jsonl, and ledger.jsonl with what was missing or unreadable; for clips
    of the stage also events.jsonl, which says what the windows show of every event. From a folder of shards
    (its split test, if it has one) it builds the same, at the rate of their pictures and without
    events.jsonl, since shards keep no places. A run that was stopped goes on where it was.
    """
    if close_up == camera_movement:
        raise typer.BadParameter("pass one of --close-up and --camera-movement.")
    variation = _variation(scale_range, placement, direction, is_close_up=close_up)
    if jobs == 0:
        raise typer.BadParameter("--jobs must not be 0; -1 takes every core.")
    request: dict[str, Any] = {"seed": seed, "jobs": jobs, "is_view": view}
    if len(inputs) == 1 and are_shards(Path(inputs[0]).expanduser()):
        if clips is not None:
            raise typer.BadParameter("--clips is for a list of clips; shards hold theirs.")
        source = _open_shards(Path(inputs[0]).expanduser(), split)
        _tell_set(out, _build_shard_set(source, out, variation, request, quiet=quiet), as_json, quiet)
        return
    lists = [Path(text) for text in inputs if text.lower().endswith(".csv")]
    if not lists:
        if view or clips is not None or split is not None:
            raise typer.BadParameter("--view, --clips and --split are for a list of clips, SPLIT.csv.")
        films = [film for film in find_films(inputs) if str(film) in inputs or not _is_ours(film, out)]
        _vary_films(films, out, variation, seed, force=force, as_json=as_json, quiet=quiet)
        return
    if len(inputs) > 1:
        raise typer.BadParameter("a list of clips makes one test set: name one SPLIT.csv and nothing else.")
    request |= {"clips": clips, "split": split}
    _tell_set(out, _build_set(lists[0], out, variation, request, quiet=quiet), as_json, quiet)


def _variation(
    scale_range: tuple[float, float], placement: Any, direction: Any, *, is_close_up: bool
) -> "CloseUp | CameraMovement":
    from cinefoley.variations.camera_movement import CameraMovement
    from cinefoley.variations.close_up import CloseUp

    if is_close_up and direction is not None:
        raise typer.BadParameter("--direction is for --camera-movement: a close-up does not move.")
    if not is_close_up and placement is not None:
        raise typer.BadParameter("--placement is for --close-up: a moving window keeps to the central axis.")
    try:
        if is_close_up:
            return CloseUp(scale_range=scale_range, placement=placement or "center")
        return CameraMovement(scale_range=scale_range, direction=direction or "auto")
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _vary_films(
    films: list[Path],
    out: Path,
    variation: "CloseUp | CameraMovement",
    seed: int,
    *,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    from cinefoley.data.test_sets.varied_videos import vary_file

    _check_names_differ(films)
    records: list[dict[str, Any]] = []
    num_failed = 0
    with progress_bar(len(films), is_wanted=not quiet) as bar:
        for number, film in enumerate(films):
            bar.film(number, film.name)
            try:
                record = vary_file(film, out, variation, seed=seed, overwrites=force)
            except (MediaError, OutputError) as exc:
                num_failed += 1
                typer.echo(f"error: {' '.join(str(exc).split())}", err=True)
                continue
            records.append(record)
            if not as_json:
                typer.echo(out / record["film"])
    if as_json:
        typer.echo(json.dumps({"films": records, "num_failed": num_failed}, indent=2))
    if num_failed:
        raise typer.Exit(1)


def _is_ours(film: Path, out: Path) -> bool:
    """Whether an earlier call has left a film in the folder that it was told to vary, too."""
    is_varied = film.stem.endswith((".close-up", ".camera-movement")) and film.with_suffix(".json").exists()
    return is_varied and film.parent.resolve() == out.resolve()


def _check_names_differ(films: list[Path]) -> None:
    stems = Counter(film.stem.casefold() for film in films)
    same = [str(film) for film in films if stems[film.stem.casefold()] > 1]
    if same:
        raise OutputError(
            f"{same[0]} and {same[1]} would both write to the same name. "
            "Vary them in two runs with different -o, or rename one."
        )


def _open_shards(folder: Path, split: str | None) -> "ShardSource":
    from cinefoley.data.shards.source import ShardSource, open_test_shards

    source = open_test_shards(folder) if split is None else ShardSource(folder, split=split)
    assert source is not None  # the folder was seen to hold shards
    return source


def _build_shard_set(
    source: "ShardSource",
    out: Path,
    variation: "CloseUp | CameraMovement",
    request: dict[str, Any],
    *,
    quiet: bool,
) -> "VariedSet":
    from cinefoley.data.test_sets.shard_builder import build_shard_set

    with _told_progress(len(source), quiet=quiet) as on_clip:
        return build_shard_set(source, out, variation, on_clip=on_clip, **request)


def _build_set(
    split_csv: Path,
    out: Path,
    variation: "CloseUp | CameraMovement",
    request: dict[str, Any],
    *,
    quiet: bool,
) -> "VariedSet":
    from cinefoley.data.sources.split_csv import read_split
    from cinefoley.data.test_sets.clip_builder import build_test_set

    count = len(read_split(split_csv, split=request["split"]))
    with _told_progress(count, quiet=quiet) as on_clip:
        return build_test_set(split_csv, out, variation, on_clip=on_clip, **request)


@contextmanager
def _told_progress(count: int, *, quiet: bool) -> Iterator[Callable[[int, int, str], None]]:
    try:
        with progress_bar(count, is_wanted=not quiet) as bar:
            yield lambda done, total, clip_id: bar.film(done - 1, clip_id)(1, 1)
    except KeyboardInterrupt:
        typer.echo("interrupted; finished clips are kept, and the same command makes the others.", err=True)
        raise


def _tell_set(out: Path, built: "VariedSet", as_json: bool, quiet: bool) -> None:
    reasons = Counter(entry["reason"] for entry in built.ledger)
    if as_json:
        events = None if built.events_path is None else str(built.events_path)
        report = {
            "folder": str(out),
            "num_clips": len(built.clips),
            "left_out": dict(reasons),
            "events": events,
        }
        typer.echo(json.dumps(report | {"settings": built.settings, "ledger": list(built.ledger)}, indent=2))
    else:
        typer.echo(out)
    if not quiet:
        told = "".join(f", {number} {reason}" for reason, number in sorted(reasons.items()))
        where = f" (see {out / 'ledger.jsonl'})" if reasons else ""
        typer.echo(f"{len(built.clips)} clips{told}{where}", err=True)
        if built.events_path is not None:
            typer.echo(f"what the windows show of their events: {built.events_path}", err=True)
    if not built.clips:
        raise CinefoleyError(f"{out}: not one clip could be used; see {out / 'ledger.jsonl'}.")
