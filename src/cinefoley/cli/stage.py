"""``cinefoley stage``: render clips of the procedural Foley stage."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli.outputs import check_free, make_folder, print_json
from cinefoley.cli.renamed_options import with_old_names

if TYPE_CHECKING:
    from cinefoley.stage.clip import StageClip

__all__ = ["app"]

app = typer.Typer(
    help="Render procedural videos with sound and known events.",
    no_args_is_help=True,
)

_Fps = Annotated[float, typer.Option(min=1, metavar="FPS", help="Frames per second.")]
_Duration = Annotated[float, typer.Option(min=1, metavar="S", help="Length of each clip, in seconds.")]
_SampleRate = Annotated[int, typer.Option(min=8000, metavar="HZ", help="Audio sample rate, in Hz.")]


@app.command()
def render(
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE.mp4|DIR", help="Output video; with --count, output folder."
        ),
    ],
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=2**32 - 1, metavar="N", help="Random seed. The same seed gives the same files."
        ),
    ] = 0,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Action that the clip shows, such as drum. Default: drawn from the seed."
        ),
    ] = None,
    split: options.StageSplit = "train",
    stage_version: options.StageVersion = None,
    fps: _Fps = 25.0,
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Width and height of the frames, in pixels.")
    ] = "320x180",
    duration: _Duration = 8.0,
    sample_rate: _SampleRate = 16000,
    silent: Annotated[bool, typer.Option("--silent", help="Write the video without sound.")] = False,
    count: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of clips to render, with seeds from --seed on."),
    ] = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Render clips: video, sound and events.

    For FILE.mp4 this writes the video (H.264 and AAC), FILE.wav with the sound, and FILE.json with every
    event and the boxes of the sound sources in every frame. With --count the files in the output folder are
    named SPLIT-SEED.mp4.
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
        version=stage_version,
    )
    if count is None:
        videos = {seed: out}
    else:
        videos = {number: out / f"{split}-{number:06d}.mp4" for number in range(seed, seed + count)}
    if not force:
        check_free(
            path
            for video in videos.values()
            for path in (video, video.with_suffix(".wav"), video.with_suffix(".json"))
        )
    results = [
        _render_one(number, video, request, makes_folder=count is not None)
        for number, video in videos.items()
    ]
    if as_json:
        print_json({"clips": results})
    else:
        for video in videos.values():
            typer.echo(video)


@app.command(cls=with_old_names(side="short-side"))
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder.")],
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Number of clips.")],
    split: options.StageSplit = "train",
    stage_version: options.StageVersion = None,
    first_seed: Annotated[
        int,
        typer.Option(
            min=0, max=2**31, metavar="N", help="Seed of the first clip; the next clips have the next seeds."
        ),
    ] = 0,
    duration: _Duration = 10.0,
    short_side: Annotated[
        int,
        typer.Option(
            min=16,
            metavar="PX",
            help="Shorter side of the frames, in pixels. Their shape, 16:9, 9:16 or square, is random.",
        ),
    ] = 224,
    fps: _Fps = 25.0,
    sample_rate: _SampleRate = 48000,
    workers: options.Workers = 1,
    as_json: options.Json = False,
) -> None:
    """Render a dataset: videos, a split CSV in VGGSound's format, and all events.

    Writes SPLIT-SEED.mp4 (H.264 and AAC), SPLIT.csv (id, start, kind, split), SPLIT.events.jsonl (one line
    per clip) and SPLIT.settings.json. If it was stopped, the same command resumes it.
    """
    from cinefoley.cli.progress import step_bar
    from cinefoley.stage.export import ExportSettings, export_clips

    settings = ExportSettings(
        split=split,
        duration_s=duration,
        side=short_side,
        fps=fps,
        sample_rate=sample_rate,
        version=stage_version,
    )
    with step_bar(f"{count} {split} clips", is_wanted=not as_json) as step:
        report = export_clips(
            folder,
            count,
            settings,
            first_seed=first_seed,
            workers=options.count_workers(workers),
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
    version: Literal["plain", "filmed"] | None


def _render_one(seed: int, video: Path, request: _Request, *, makes_folder: bool) -> dict[str, Any]:
    from cinefoley.stage.render import render_clip

    if makes_folder:
        make_folder(video.parent)
    try:
        clip = render_clip(
            seed,
            split=request.split,
            fps=request.fps,
            size=request.size,
            sample_rate=request.sample_rate,
            duration_s=request.duration_s,
            kind=request.kind,
            version=request.version,
        )
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    description = clip.describe(has_boxes=True) | {
        "fps": clip.fps,
        "size": list(request.size),
        "film": video.name,
    }
    _write(clip, video, description, is_silent=request.is_silent)
    return {
        "film": str(video),
        "wav": str(video.with_suffix(".wav")),
        "json": str(video.with_suffix(".json")),
        "seed": seed,
        "duration_s": clip.duration_s,
        "kinds": description["kinds"],
        "num_events": len(clip.events),
    }


def _write(clip: "StageClip", video: Path, description: dict[str, Any], *, is_silent: bool) -> None:
    import torch

    from cinefoley.media.audio.files import write_audio
    from cinefoley.media.files.atomic_write import atomic_write
    from cinefoley.media.muxing.save_video import save_video

    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    waveform = None if is_silent else clip.waveform
    save_video(video, frames, clip.fps, waveform=waveform, sample_rate=clip.sample_rate)
    write_audio(video.with_suffix(".wav"), clip.waveform, clip.sample_rate)
    with atomic_write(video.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(description, indent=2) + "\n")


def _parse_size(text: str) -> tuple[int, int]:
    """Height and width from ``WxH``."""
    width, separator, height = text.lower().partition("x")
    if not (separator and width.isdigit() and height.isdigit()):
        raise typer.BadParameter(f"--size must be WIDTHxHEIGHT, such as 320x180, got {text!r}.")
    return int(height), int(width)
