"""``cinefoley explain``: Grad-CAM heat maps of teacher and student, with their generated sound."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli.extras import check_extra
from cinefoley.cli.inputs import check_stems_differ
from cinefoley.cli.outputs import check_free, make_folder, note, print_json
from cinefoley.config.variations import Technique
from cinefoley.errors import VideoError

if TYPE_CHECKING:
    from cinefoley.analysis.explanation import Explanation
    from cinefoley.data.sources.folder import FileClip
    from cinefoley.models.audio_encoder import AudioEncoder
    from cinefoley.pipelines.foley import FoleyPipeline

__all__ = [
    "check_video",
    "describe",
    "event_times",
    "explain",
    "load_audio_encoder",
    "load_encoders",
    "video_clip",
    "write_explanation",
]


def explain(
    videos: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEO...", help="Videos, with or without sound; their names differ."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Output folder.")] = Path(
        "explained"
    ),
    model: options.Model = "lite",
    student: options.Student = None,
    start: Annotated[
        float, typer.Option(min=0, metavar="S", help="Start of the section to explain, in seconds.")
    ] = 0.0,
    takes: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of takes to generate with each video encoder.")
    ] = 1,
    seed: options.TakeSeed = 0,
    steps: options.DenoisingSteps = 25,
    guidance_scale: options.GuidanceScale = 4.5,
    columns: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of frames side by side in the figure.")
    ] = 6,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="layer1|...|layer4",
            help="Layer of the video encoder to compute Grad-CAM for. Default: the deepest with feature "
            "maps of 7 rows or more.",
        ),
    ] = None,
    view: Annotated[
        Literal["full", Technique],
        typer.Option(help="Technique with which the video is shown, as in a test set of seed 0."),
    ] = "full",
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Show where teacher and student look (Grad-CAM).

    For rain.mp4 this writes the figure rain.explain.png and .pdf: heat maps, the real sound and the takes of
    each encoder. It also writes rain.explain.mp4: the frames with the heat of each encoder, and the real
    sound. If there is none, the last encoder's take is used. One window of the model is explained (8 s with
    lite); --start moves it. torchrun shares several videos among its processes.
    """
    check_extra("analysis")
    from cinefoley.analysis.explanation import explain_clip
    from cinefoley.evaluation.views import window_of
    from cinefoley.pipelines.ranks import share_among_ranks

    shown = "" if view == "full" else f".{view}"
    check_stems_differ(videos)
    for video in videos:
        check_video(video)
    if not force:
        suffixes = (".png", ".pdf", ".mp4")
        check_free(out / f"{video.stem}{shown}.explain{suffix}" for video in videos for suffix in suffixes)
    pipeline, encoders = load_encoders(model, student)
    if "student" not in encoders:
        note(f"{model} has no student; only the teacher is explained. Name one with --student.")
    described = []
    for video in share_among_ranks(videos, out):
        try:
            explanation = explain_clip(
                video_clip(video),
                pipeline,
                encoders=encoders,
                audio_encoder=load_audio_encoder(model),
                window=window_of(video_clip(video), view),
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
            f"{video.stem}{shown}.explain",
            columns=columns,
            events_s=event_times(video, start=start, duration_s=explanation.duration_s),
        )
        described.append(describe(explanation, files))
        if as_json:
            continue
        for name, value in explanation.values.items():
            typer.echo(f"{name}: {explanation.explained} {float(value.mean()):.3f} (mean over frames)")
        for path in files:
            typer.echo(f"wrote {path}")
    if as_json:
        print_json(described[0] if len(videos) == 1 else described)


def check_video(video: Path) -> None:
    """Check that a file has a video stream.

    Raises:
        VideoError: If it has none.
        MediaError: If it cannot be read.
    """
    from cinefoley.media.probe import probe

    if probe(video).video is None:
        raise VideoError(f"{video}: has no video stream; explain needs one.")


def video_clip(video: Path) -> "FileClip":
    """A video as a clip whose id is its name."""
    from cinefoley.data.sources.folder import FileClip

    return FileClip(id=video.stem, path=video, expected=video.name)


def event_times(video: Path, *, start: float, duration_s: float) -> list[float]:
    """Times of known events in a section of a video, in seconds from its start; empty if unknown."""
    from cinefoley.data.known_events import known_events

    events = known_events(video_clip(video), None)
    times = [] if events is None else (events.times - start).tolist()
    return [time_s for time_s in times if 0 <= time_s < duration_s]


def describe(explanation: "Explanation", files: Sequence[Path]) -> dict[str, Any]:
    """The numbers of an explanation, as JSON."""
    return {
        "explained": explanation.explained,
        "mean": {name: round(float(value.mean()), 6) for name, value in explanation.values.items()},
        "files": [str(path) for path in files],
    }


def load_encoders(model: str, student: Path | None) -> "tuple[FoleyPipeline, dict[str, str | Path]]":
    """A pipeline and its video encoders by name: the teacher, and the student if there is one."""
    from cinefoley.pipelines.foley import FoleyPipeline

    pipeline = FoleyPipeline.from_pretrained(model, video_encoder=student)
    encoders: dict[str, str | Path] = {"teacher": "teacher"}
    if pipeline.video_encoder_student is not None:
        encoders["student"] = student or "student"
    return pipeline, encoders


def load_audio_encoder(model: str) -> "AudioEncoder | None":
    """The audio encoder of a model; None if it has none."""
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
        OutputError: If the folder cannot be created or written.
    """
    from cinefoley.analysis.explain_figure import draw_explanation, side_by_side
    from cinefoley.analysis.style import save_figure
    from cinefoley.media.audio.fitted_writer import fit_to_full_scale
    from cinefoley.media.muxing.save_video import save_video

    make_folder(out)
    figure = draw_explanation(explanation, columns=columns, events_s=events_s)
    video = out / f"{name}.mp4"
    sound = explanation.sounds.get("real", list(explanation.sounds.values())[-1])
    save_video(
        video,
        side_by_side(explanation),
        explanation.fps,
        waveform=fit_to_full_scale(sound, explanation.sample_rate)[0],
        sample_rate=explanation.sample_rate,
    )
    return [*save_figure(figure, out / name), video]
