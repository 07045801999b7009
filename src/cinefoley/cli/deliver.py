"""``cinefoley deliver``: write a folder for an edit suite from generated takes."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli.outputs import note, print_json
from cinefoley.cli.take_inputs import (
    DropFrame,
    StartTimecode,
    TakesFolder,
    TimecodeRate,
    WrittenTake,
    find_written_takes,
    kinds_of,
    make_clock,
)

if TYPE_CHECKING:
    from cinefoley.delivery.package import Delivery
    from cinefoley.delivery.stems import Stem

__all__ = ["deliver"]


def deliver(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Video that takes were generated for.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write the delivery to.")],
    takes_in: TakesFolder = Path("foley"),
    take: Annotated[
        list[int] | None,
        typer.Option(min=1, metavar="N", help="Take to deliver; may be repeated. Default: all of the video."),
    ] = None,
    use: Annotated[
        str | None,
        typer.Option(
            metavar="N[,N...]",
            help="Take to use for every shot, or one per shot; 0: silence. Default: the first delivered.",
        ),
    ] = None,
    shots: Annotated[
        str,
        typer.Option(
            metavar="auto|off|FILE",
            help="Deliver a file per shot: found by PySceneDetect (auto), one for the whole video (off), or "
            "read from a CSV file with the columns start_s and end_s.",
        ),
    ] = "auto",
    handles: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="S",
            help="Sound before and after each shot, in seconds, as far as the video reaches.",
        ),
    ] = 0.0,
    names: Annotated[
        str,
        typer.Option(
            metavar="PATTERN",
            help="Names of the files, of {video}, {shot}, {take}, {timecode}, {model}, {seed}.",
        ),
    ] = "{video}_{shot:03d}_T{take}",
    two_pop: Annotated[
        bool, typer.Option("--two-pop", help="Also write a 2-pop, two seconds before the first frame.")
    ] = False,
    sample_rate: Annotated[int, typer.Option(metavar="HZ", help="Sample rate of the WAV files.")] = 48000,
    subtype: Annotated[
        Literal["PCM_16", "PCM_24", "FLOAT"], typer.Option(help="Bit depth of the WAV files.")
    ] = "PCM_24",
    loudness: Annotated[
        float | None,
        typer.Option(
            metavar="LUFS",
            help="Integrated loudness of the track; all takes get one gain. Default: as generated.",
        ),
    ] = None,
    ceiling: Annotated[
        float, typer.Option(metavar="DB", help="Highest true peak, in dB of full scale.")
    ] = -1.0,
    mix: Annotated[
        float | None,
        typer.Option(metavar="DB", help="Also write a mix with the video's own sound at this gain."),
    ] = None,
    duck: Annotated[
        float,
        typer.Option(metavar="DB", help="Lower the video's own sound by this much while the Foley sounds."),
    ] = 0.0,
    start_timecode: StartTimecode = None,
    timecode_rate: TimecodeRate = None,
    drop_frame: DropFrame = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing delivery in the folder.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write Broadcast WAV stems, timelines and a cue sheet of generated takes for an edit suite.

    The folder contains one WAV per shot and take, the used takes as one track, the video with it, and the
    tracks as OpenTimelineIO, EDL, AAF and Reaper project. It appears when all of it is written.
    """
    from cinefoley.delivery.package import deliver as write_delivery
    from cinefoley.delivery.settings import DeliverySettings
    from cinefoley.media.timing import video_duration

    try:
        settings = DeliverySettings(
            handle_s=handles,
            name_pattern=names,
            sample_rate=sample_rate,
            subtype=subtype,
            has_two_pop=two_pop,
            loudness_lufs=loudness,
            ceiling_db=ceiling,
            mix_gain_db=mix,
            duck_db=duck,
        )
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    clock = make_clock(video, start_timecode, timecode_rate, drop_frame)
    duration_s = video_duration(video)
    written = find_written_takes(video, takes_in, sorted(set(take)) if take else None)
    cuts = _find_cuts(video, duration_s, shots)
    stems = _make_stems(written, cuts, _read_use(use, len(cuts), written))
    delivery = write_delivery(video, stems, out, clock, settings, kinds=kinds_of(written), overwrites=force)
    if delivery.gain.is_limited and not quiet:
        note(f"the loudness was not reached, because no true peak may be above {ceiling:g} dB.")
    _print(delivery, as_json=as_json)


def _find_cuts(video: Path, duration_s: float, shots: str) -> list[tuple[float, float]]:
    from cinefoley.media.shots import find_shots, read_shots

    if shots == "off":
        return [(0.0, duration_s)]
    found = find_shots(video) if shots == "auto" else read_shots(Path(shots), duration_s)
    return [(shot.start_s, shot.end_s) for shot in found] or [(0.0, duration_s)]


def _read_use(use: str | None, num_shots: int, takes: "Sequence[WrittenTake]") -> list[int]:
    """The take of each shot."""
    if use is None:
        return [takes[0].take] * num_shots
    try:
        chosen = [int(number) for number in use.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"write numbers of takes, such as 2 or 2,1,1; got {use!r}.", param_hint="--use"
        ) from None
    chosen = chosen * num_shots if len(chosen) == 1 else chosen
    if len(chosen) != num_shots:
        raise typer.BadParameter(
            f"names {len(chosen)} takes, but the video has {num_shots} shots.", param_hint="--use"
        )
    known = {0, *(take.take for take in takes)}
    if not known.issuperset(chosen):
        missing = next(number for number in chosen if number not in known)
        raise typer.BadParameter(f"take {missing} is not among the delivered takes.", param_hint="--use")
    return chosen


def _make_stems(
    takes: "Sequence[WrittenTake]", cuts: Sequence[tuple[float, float]], chosen: Sequence[int]
) -> "list[Stem]":
    from cinefoley.delivery.stems import Stem

    return [
        Stem(
            shot=shot,
            take=take.take,
            start_s=start_s,
            end_s=end_s,
            wav=take.wav,
            wav_start_s=take.start_s,
            is_used=take.take == used,
            model=take.model,
            seed=take.seed,
        )
        for shot, ((start_s, end_s), used) in enumerate(zip(cuts, chosen, strict=True), start=1)
        for take in takes
    ]


def _print(delivery: "Delivery", *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "folder": str(delivery.folder),
                "files": list(delivery.files),
                "gain_db": delivery.gain.gain_db,
                "track": asdict(delivery.loudness),
            }
        )
        return
    for name in delivery.files:
        typer.echo(delivery.folder / name)
