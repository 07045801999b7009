"""``cinefoley stage``: clips of the procedural Foley stage."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli.outputs import check_free
from cinefoley.errors import OutputError

if TYPE_CHECKING:
    from cinefoley.stage.clip import StageClip

__all__ = ["app"]

app = typer.Typer(help="The procedural Foley stage: clips whose every sound is known.", no_args_is_help=True)


@app.command()
def render(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.mp4|DIR", help="The film; with --count, a folder.")
    ],
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="The same seed gives the same bytes.")
    ] = 0,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The action, e.g. drum. Default: drawn from the seed.", show_default=False
        ),
    ] = None,
    split: Annotated[
        Literal["train", "valid", "test"],
        typer.Option(help="Family of clips; the same seed differs between them."),
    ] = "train",
    fps: Annotated[float, typer.Option(min=1, metavar="FPS", help="Frames per second.")] = 25.0,
    size: Annotated[str, typer.Option(metavar="WxH", help="Width and height in pixels.")] = "320x180",
    duration: Annotated[float, typer.Option(min=1, metavar="S", help="Length in seconds.")] = 8.0,
    sample_rate: Annotated[int, typer.Option(min=8000, metavar="HZ", help="Samples per second.")] = 16000,
    silent: Annotated[bool, typer.Option("--silent", help="Leave the sound out of the film.")] = False,
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Render this many, from --seed on.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was rendered as one JSON object.")
    ] = False,
) -> None:
    """Render films with sound, and the events in them.

    For FILE.mp4 this writes the film (H.264 and AAC), FILE.wav with the sound, and FILE.json with every
    event and every frame's boxes of what sounds. With --count they are named SPLIT-SEED.mp4 in the folder.
    """
    height, width = _parse_size(size)
    request = _Request(
        kind=kind,
        split=split,
        fps=fps,
        size=(height, width),
        sample_rate=sample_rate,
        duration_s=duration,
        is_silent=silent,
    )
    if count is None:
        films = {seed: out}
    else:
        films = {number: out / f"{split}-{number:06d}.mp4" for number in range(seed, seed + count)}
    if not force:
        check_free(
            path
            for film in films.values()
            for path in (film, film.with_suffix(".wav"), film.with_suffix(".json"))
        )
    results = [
        _render_one(number, film, request, makes_folder=count is not None) for number, film in films.items()
    ]
    if as_json:
        typer.echo(json.dumps({"clips": results}, indent=2))
    else:
        for film in films.values():
            typer.echo(film)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the films go; made if missing.")],
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Number of clips.")],
    split: Annotated[
        Literal["train", "valid", "test"],
        typer.Option(help="Family of clips; the same seed differs between them."),
    ] = "train",
    first_seed: Annotated[
        int, typer.Option(min=0, max=2**31, metavar="N", help="Seed of the first; the others follow.")
    ] = 0,
    duration: Annotated[float, typer.Option(min=1, metavar="S", help="Length of every film.")] = 10.0,
    side: Annotated[
        int, typer.Option(min=16, metavar="PX", help="Shorter side; 16:9, 9:16 or square as drawn.")
    ] = 224,
    fps: Annotated[float, typer.Option(min=1, metavar="FPS", help="Frames per second.")] = 25.0,
    sample_rate: Annotated[int, typer.Option(min=8000, metavar="HZ", help="Samples per second.")] = 48000,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Processes that render.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was made as one JSON object.")] = False,
) -> None:
    """Render a data set: films, a list in VGGSound's form, and every event.

    Writes SPLIT-SEED.mp4 (H.264 and AAC), SPLIT.csv (id, start, kind, split), SPLIT.events.jsonl (one line a
    film) and SPLIT.settings.json. A run that was stopped, however rudely, goes on with the same command.
    """
    from cinefoley.cli.progress import progress_bar
    from cinefoley.stage.export import ExportSettings, export_clips

    settings = ExportSettings(split=split, duration_s=duration, side=side, fps=fps, sample_rate=sample_rate)
    with progress_bar(1, is_wanted=not as_json) as bar:
        step = bar.film(0, f"{count} {split} clips")
        report = export_clips(
            folder,
            count,
            settings,
            first_seed=first_seed,
            workers=workers,
            on_clip=lambda done: step(done, count),
        )
    if as_json:
        typer.echo(json.dumps(asdict(report) | asdict(settings), indent=2, default=str))
    else:
        typer.echo(report.list_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    kind: str | None
    split: Literal["train", "valid", "test"]
    fps: float
    size: tuple[int, int]
    sample_rate: int
    duration_s: float
    is_silent: bool


def _render_one(seed: int, film: Path, request: _Request, *, makes_folder: bool) -> dict[str, Any]:
    from cinefoley.stage.render import render_clip

    if makes_folder:
        _make_folder(film.parent)
    try:
        clip = render_clip(
            seed,
            split=request.split,
            fps=request.fps,
            size=request.size,
            sample_rate=request.sample_rate,
            duration_s=request.duration_s,
            kind=request.kind,
        )
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    description = clip.describe(has_boxes=True) | {
        "fps": clip.fps,
        "size": list(request.size),
        "film": film.name,
    }
    _write(clip, film, description, is_silent=request.is_silent)
    return {
        "film": str(film),
        "wav": str(film.with_suffix(".wav")),
        "json": str(film.with_suffix(".json")),
        "seed": seed,
        "duration_s": clip.duration_s,
        "kinds": description["kinds"],
        "num_events": len(clip.events),
    }


def _write(clip: "StageClip", film: Path, description: dict[str, Any], *, is_silent: bool) -> None:
    import torch

    from cinefoley.media.audio.files import write_audio
    from cinefoley.media.files.atomic_write import written_aside
    from cinefoley.media.muxing.save_video import save_video

    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    waveform = None if is_silent else clip.waveform
    save_video(film, frames, clip.fps, waveform=waveform, sample_rate=clip.sample_rate)
    write_audio(film.with_suffix(".wav"), clip.waveform, clip.sample_rate)
    with written_aside(film.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(description, indent=2) + "\n")


def _parse_size(text: str) -> tuple[int, int]:
    """``WxH`` to (height, width)."""
    width, separator, height = text.lower().partition("x")
    if not (separator and width.isdigit() and height.isdigit()):
        raise typer.BadParameter(f"--size must be WIDTHxHEIGHT, such as 320x180, got {text!r}.")
    return int(height), int(width)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"{folder}: cannot be made ({exc.strerror}). Choose another with -o.") from exc
