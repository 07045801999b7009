"""``cinefoley vary``: show videos and test sets with techniques of film language."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from cinefoley.cli import options
from cinefoley.cli.field_help import field_help
from cinefoley.cli.inputs import are_shards, find_videos
from cinefoley.cli.outputs import echo_error, print_json, resumable, summarize_skipped
from cinefoley.cli.progress import progress_bar, step_bar
from cinefoley.config.variations import Kind
from cinefoley.errors import CinefoleyError, MediaError, OutputError

if TYPE_CHECKING:
    from cinefoley.data.test_sets.test_set import VariedSet
    from cinefoley.variations.variation import Variation

__all__ = ["vary"]

_KINDS = tuple(kind for kind in get_args(Kind) if kind not in ("none", "sequence"))
_SETTINGS = {
    "scale_range": "techniques that frame with one range of sizes",
    "placement": "--close-up: other techniques place the window themselves",
    "direction": "--camera-movement and --zoom: other techniques do not take one",
    "light": "--light-change",
}
"""Options of techniques, and for which they are."""


def vary(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO|SPLIT.csv|SHARDS",
            help="Videos, folders of videos or patterns; or one split CSV; or one folder of shards.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Output folder.")],
    close_up: Annotated[
        bool, typer.Option("--close-up", help="Show one window of the frame (f_cu of the paper).")
    ] = False,
    camera_movement: Annotated[
        bool, typer.Option("--camera-movement", help="Show a window that moves across the frame (f_cm).")
    ] = False,
    zoom: Annotated[
        bool, typer.Option("--zoom", help="Push in to the middle of the frame, or pull out.")
    ] = False,
    handheld: Annotated[
        bool, typer.Option("--handheld", help="Shake the frame as a hand-held camera does.")
    ] = False,
    pan: Annotated[
        bool, typer.Option("--pan", help="Pan over part of the frame, starting and stopping smoothly.")
    ] = False,
    tilt: Annotated[
        bool, typer.Option("--tilt", help="Tilt over part of the frame, starting and stopping smoothly.")
    ] = False,
    cut: Annotated[bool, typer.Option("--cut", help="Cut between a wide and a close framing.")] = False,
    rack_focus: Annotated[
        bool, typer.Option("--rack-focus", help="Go out of focus, or come into it.")
    ] = False,
    light_change: Annotated[
        bool,
        typer.Option(
            "--light-change", help="Change exposure or colour temperature, flash, or turn day into night."
        ),
    ] = False,
    occlusion: Annotated[
        bool, typer.Option("--occlusion", help="Let something pass in front of the camera.")
    ] = False,
    aspect_mask: Annotated[
        bool, typer.Option("--aspect-mask", help="Cover the frame with letterbox or pillarbox bars.")
    ] = False,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=2**32 - 1, metavar="N", help="Random seed. The same seed gives the same windows."
        ),
    ] = 0,
    scale_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="A B",
            help="Smallest and largest fraction of each side that is shown, in (0, 1]. "
            "Default: the technique's, 0.4 0.6 for close-ups and camera movements.",
        ),
    ] = None,
    placement: Annotated[
        Literal["center", "uniform"] | None,
        typer.Option(help=field_help("config.variations.VariationConfig.placement", "Default: center.")),
    ] = None,
    direction: Annotated[
        Literal["auto", "left", "right", "up", "down", "in", "out"] | None,
        typer.Option(
            help="Direction of a camera movement, or in or out for a zoom. Default: auto, at random."
        ),
    ] = None,
    light: Annotated[
        Literal["any", "exposure", "temperature", "flash", "day_for_night"] | None,
        typer.Option(help="With --light-change: what changes. Default: any, at random."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With SPLIT.csv: folder of the clips' videos. Default: the folder of SPLIT.csv.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="With SPLIT.csv or SHARDS: use only clips of this split, e.g. test."
        ),
    ] = None,
    view: Annotated[
        bool,
        typer.Option("--view", help="With SPLIT.csv or SHARDS: write only the windows, and no videos."),
    ] = False,
    workers: options.Workers = -1,
    force: Annotated[
        bool,
        typer.Option("--force", help="With VIDEO: overwrite existing outputs of another seed or setting."),
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Turn videos or whole test sets into close-ups, camera movements or other techniques of film language.

    For rain.mp4 this writes rain.close-up.mp4 (the frames inside the window; the audio stream is copied
    unchanged) and rain.close-up.json (the window). Several techniques are combined: framings first, then
    focus, light, what passes in front, and bars; the output is then called rain.sequence.mp4.

    From a split CSV, such as VGGSound's vggsound.csv, it builds a test set: the clips' videos in clips/,
    manifest.jsonl, and ledger.jsonl, which lists skipped clips and why. For clips of the Foley stage it also
    writes events.jsonl: which events are inside the windows. From a folder of shards it builds the same,
    without events.jsonl, at the shards' frame rate, and of the split test if there is one. If it was stopped,
    the same command resumes it.
    """
    if close_up and camera_movement:
        raise typer.BadParameter("pass one of --close-up and --camera-movement.")
    given = locals()
    kinds = [kind for kind in _KINDS if given[kind]]
    if not kinds:
        raise typer.BadParameter("pass one of --close-up and --camera-movement, or another technique.")
    settings = {name: given[name] for name in _SETTINGS if given[name] is not None}
    variation = _variation(kinds, settings)
    if workers == 0:
        raise typer.BadParameter("--workers must not be 0; -1 starts one process per CPU core.")
    request = {"seed": seed, "jobs": workers, "is_view": view, "data": data, "split": split}
    built = _build_test_set(inputs, out, variation, request, quiet=quiet)
    if built is not None:
        _report_test_set(out, built, as_json, quiet)
        return
    videos = [video for video in find_videos(inputs) if str(video) in inputs or not _is_ours(video, out)]
    _vary_videos(videos, out, variation, seed, force=force, as_json=as_json, quiet=quiet)


def _variation(kinds: Sequence[str], settings: Mapping[str, Any]) -> "Variation":
    """The technique of a kind, or several in sequence; each takes the settings that it has."""
    from dataclasses import fields

    from cinefoley.variations.sequence import Sequence as SequenceOfVariations
    from cinefoley.variations.techniques import TECHNIQUES

    taken = {kind: {f.name for f in fields(TECHNIQUES[kind])} & settings.keys() for kind in kinds}
    for name in settings.keys() - set().union(*taken.values()):
        raise typer.BadParameter(f"--{name.replace('_', '-')} is for {_SETTINGS[name]}.")
    try:
        found = [TECHNIQUES[kind](**{name: settings[name] for name in taken[kind]}) for kind in kinds]
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    return found[0] if len(found) == 1 else SequenceOfVariations(found)


def _vary_videos(
    videos: list[Path],
    out: Path,
    variation: "Variation",
    seed: int,
    *,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    from cinefoley.data.test_sets.single_videos import vary_file

    _check_names_differ(videos)
    records: list[dict[str, Any]] = []
    num_failed = 0
    with progress_bar(len(videos), is_wanted=not quiet) as start_bar:
        for number, video in enumerate(videos):
            start_bar(number, video.name)
            try:
                record = vary_file(video, out, variation, seed=seed, overwrites=force)
            except (MediaError, OutputError) as exc:
                num_failed += 1
                echo_error(exc)
                continue
            records.append(record)
            if not as_json:
                typer.echo(out / record["film"])
    if as_json:
        print_json({"films": records, "num_failed": num_failed})
    if num_failed:
        raise typer.Exit(1)


def _is_ours(video: Path, out: Path) -> bool:
    """Whether a video in the output folder was written by an earlier run of this command."""
    endings = tuple(f".{kind.replace('_', '-')}" for kind in (*_KINDS, "sequence"))
    is_varied = video.stem.endswith(endings) and video.with_suffix(".json").exists()
    return is_varied and video.parent.resolve() == out.resolve()


def _check_names_differ(videos: list[Path]) -> None:
    stems = Counter(video.stem.casefold() for video in videos)
    same = [str(video) for video in videos if stems[video.stem.casefold()] > 1]
    if same:
        raise OutputError(
            f"{same[0]} and {same[1]} would both write to the same name. "
            "Vary them in two runs with different -o, or rename one."
        )


def _build_test_set(
    inputs: list[str],
    out: Path,
    variation: "Variation",
    request: dict[str, Any],
    *,
    quiet: bool,
) -> "VariedSet | None":
    """The test set of a folder of shards or of a split CSV; None if the inputs are videos."""
    data, split = request.pop("data"), request.pop("split")
    csv_files = [Path(text) for text in inputs if text.lower().endswith(".csv")]
    folder = Path(inputs[0]).expanduser()
    is_sharded = len(inputs) == 1 and are_shards(folder)
    if not is_sharded and not csv_files:
        if request["is_view"] or data is not None or split is not None:
            raise typer.BadParameter("--view, --data and --split are for a split CSV, not for videos.")
        return None
    if not is_sharded and len(inputs) > 1:
        raise typer.BadParameter("a test set is built from one split CSV: pass SPLIT.csv and nothing else.")
    if is_sharded and data is not None:
        raise typer.BadParameter("--data is for a split CSV; shards contain their clips.")
    with resumable("finished clips"), step_bar("clips", is_wanted=not quiet) as step:
        request["on_clip"] = lambda done, total, clip_id: step(done, total)
        if not is_sharded:
            from cinefoley.data.test_sets.video_set import build_test_set

            return build_test_set(csv_files[0], out, variation, clips=data, split=split, **request)
        from cinefoley.data.shards.source import ShardSource, open_test_shards
        from cinefoley.data.test_sets.shard_set import build_shard_set

        source = open_test_shards(folder) if split is None else ShardSource(folder, split=split)
        assert source is not None  # are_shards was asked before
        return build_shard_set(source, out, variation, **request)


def _report_test_set(out: Path, built: "VariedSet", as_json: bool, quiet: bool) -> None:
    events = None if built.events_path is None else str(built.events_path)
    if as_json:
        reasons = Counter(entry["reason"] for entry in built.ledger)
        report = {"folder": str(out), "num_clips": len(built.clips), "left_out": dict(reasons)}
        print_json(report | {"events": events, "settings": built.settings, "ledger": list(built.ledger)})
    else:
        typer.echo(out)
    if not quiet:
        typer.echo(
            f"{len(built.clips)} clips{summarize_skipped(built.ledger, out / 'ledger.jsonl')}", err=True
        )
        if events is not None:
            typer.echo(f"events inside the windows: {events}", err=True)
    if not built.clips:
        raise CinefoleyError(f"{out}: no clip could be used; {out / 'ledger.jsonl'} lists the reasons.")
