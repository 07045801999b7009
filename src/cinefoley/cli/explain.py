"""``cinefoley explain``: where the video encoder looks, and what comes of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinefoley.cli.outputs import check_free
from cinefoley.errors import CinefoleyError, OutputError, VideoError

if TYPE_CHECKING:
    from cinefoley.analysis.explanation import Explanation
    from cinefoley.data.sources.folder import FileClip
    from cinefoley.models.audio_encoder import AudioEncoder
    from cinefoley.pipelines.foley import FoleyPipeline

__all__ = [
    "check_extra",
    "check_picture",
    "describe",
    "event_times",
    "explain",
    "film_clip",
    "load_encoders",
    "load_hearing",
    "write_explanation",
]


def explain(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A film, with or without sound.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the figure and the film.")
    ] = Path("explained"),
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER|HUB-ID", help="Teacher and generator.")] = "lite",
    video_encoder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The student beside the teacher. Default: the model's own, if it has one.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[float, typer.Option(min=0, metavar="S", help="Where the window of time begins.")] = 0.0,
    takes: Annotated[int, typer.Option(min=1, metavar="N", help="Takes of each encoder.")] = 1,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="The same seed makes the same takes.")
    ] = 0,
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Denoiser calls.")] = 25,
    guidance_scale: Annotated[
        float, typer.Option(min=0, metavar="SCALE", help="Strength of the film's influence.")
    ] = 4.5,
    columns: Annotated[int, typer.Option(min=1, metavar="N", help="Frames across the figure.")] = 6,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="layer1|...|layer4",
            help="Whose maps are weighed. Default: the deepest of 7 rows or more.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Draw where teacher and student look (Grad-CAM), above the real sound and their takes.

    For rain.mp4 this writes rain.explain.png and .pdf, the figure, and rain.explain.mp4, the frames under
    both encoders' heat with the real sound, or the last encoder's without one. One window of the model is
    explained; longer films by --start.
    """
    check_extra()
    from cinefoley.analysis.explanation import explain_clip

    check_picture(video)
    if not force:
        check_free(out / f"{video.stem}.explain{suffix}" for suffix in (".png", ".pdf", ".mp4"))
    pipeline, encoders = load_encoders(model, video_encoder)
    if "student" not in encoders:
        typer.echo(
            f"{model} has no student; only the teacher is explained. --video-encoder names one.", err=True
        )
    try:
        explanation = explain_clip(
            film_clip(video),
            pipeline,
            encoders=encoders,
            audio_encoder=load_hearing(model),
            start=start,
            num_takes=takes,
            seed=seed,
            num_inference_steps=steps,
            guidance_scale=guidance_scale,
            layer=layer,
        )
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    files = write_explanation(
        explanation,
        out,
        f"{video.stem}.explain",
        columns=columns,
        events_s=event_times(video, start=start, duration_s=explanation.duration_s),
    )
    if as_json:
        typer.echo(json.dumps(describe(explanation, files)))
        return
    for name, value in explanation.values.items():
        typer.echo(f"{name}: {explanation.explained} {float(value.mean()):.3f} (mean over frames)")
    for path in files:
        typer.echo(f"wrote {path}")


def check_picture(video: Path) -> None:
    """Before any work.

    Raises:
        VideoError: If the film has no picture.
        MediaError: If it cannot be read.
    """
    from cinefoley.media.probe import probe

    if probe(video).video is None:
        raise VideoError(f"{video}: holds no moving picture.")


def film_clip(video: Path) -> "FileClip":
    """A film under its own name."""
    from cinefoley.data.sources.folder import FileClip

    return FileClip(id=video.stem, path=video, expected=video.name)


def event_times(video: Path, *, start: float, duration_s: float) -> list[float]:
    """When something sounds in what is shown of a film, in seconds from its start; empty if unknown."""
    from cinefoley.data.known_events import known_events

    events = known_events(film_clip(video), None)
    times = [] if events is None else (events.times - start).tolist()
    return [time_s for time_s in times if 0 <= time_s < duration_s]


def describe(explanation: "Explanation", files: Sequence[Path]) -> dict[str, Any]:
    """The numbers of an explanation, ready for JSON."""
    return {
        "explained": explanation.explained,
        "mean": {name: round(float(value.mean()), 6) for name, value in explanation.values.items()},
        "files": [str(path) for path in files],
    }


def check_extra() -> None:
    """Before any work: what draws and explains is no part of the core."""
    from importlib.util import find_spec

    missing = [name for name in ("captum", "matplotlib") if find_spec(name) is None]
    if missing:
        raise CinefoleyError(
            f"This needs {' and '.join(missing)}, not installed here: pip install 'cinefoley[analysis]'."
        )


def load_encoders(model: str, student: Path | None) -> "tuple[FoleyPipeline, dict[str, str | Path]]":
    """A pipeline, and who watches for it by name: the teacher, and the student if there is one."""
    from cinefoley.pipelines.foley import FoleyPipeline

    pipeline = FoleyPipeline.from_pretrained(model, video_encoder=student)
    encoders: dict[str, str | Path] = {"teacher": "teacher"}
    if pipeline.video_encoder_student is not None:
        encoders["student"] = student or "student"
    return pipeline, encoders


def load_hearing(model: str) -> "AudioEncoder | None":
    """The audio tower of a model; None if it has none."""
    from cinefoley.models.audio_encoder import AudioEncoder
    from cinefoley.models.folder import load_part
    from cinefoley.pipelines.loading import resolve_model

    folder = resolve_model(model) / "audio_encoder"
    return load_part(folder, AudioEncoder) if folder.is_dir() else None


def write_explanation(
    explanation: "Explanation", out: Path, name: str, *, columns: int = 6, events_s: Sequence[float] = ()
) -> list[Path]:
    """Write ``NAME.png``, ``NAME.pdf`` and ``NAME.mp4``.

    Raises:
        OutputError: If the folder cannot be made or written.
    """
    from cinefoley.analysis.explain_figure import draw_explanation, side_by_side
    from cinefoley.analysis.style import save_figure
    from cinefoley.media.audio.fitted_writer import fitting_gain
    from cinefoley.media.muxing.save_video import save_video

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"{out}: cannot be made ({exc.strerror}).") from exc
    figure = draw_explanation(explanation, columns=columns, events_s=events_s)
    film = out / f"{name}.mp4"
    sound = explanation.sounds.get("real", list(explanation.sounds.values())[-1])
    save_video(
        film,
        side_by_side(explanation),
        explanation.fps,
        waveform=fitting_gain(float(sound.abs().max())) * sound,
        sample_rate=explanation.sample_rate,
    )
    return [*save_figure(figure, out / name), film]
