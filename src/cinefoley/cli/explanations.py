"""Explanations of videos: Grad-CAM figures and videos, written by any process that shares the work."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from cinefoley.cli.outputs import make_folder
from cinefoley.config.variations import Technique
from cinefoley.errors import VideoError

if TYPE_CHECKING:
    from cinefoley.analysis.explanation import Explanation
    from cinefoley.data.parallel import Engine
    from cinefoley.data.sources.folder import FileClip
    from cinefoley.models.audio_encoder import AudioEncoder
    from cinefoley.pipelines.foley import FoleyPipeline
    from cinefoley.pipelines.takes.model_choice import ModelChoice

__all__ = [
    "ExplainJob",
    "check_video",
    "describe",
    "event_times",
    "explain_shared",
    "explain_video",
    "load_audio_encoder",
    "load_encoders",
    "loaded_explainer",
    "video_clip",
    "write_explanation",
]

_one_at_a_time = Lock()  # threads of a worker share the model, in which Grad-CAM places hooks


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainJob:
    """What every worker needs to know. Small and hashable, so that it can be sent with every video."""

    out: Path
    """Output folder, under the same path for every worker."""
    model: "ModelChoice"
    """The model; its video encoder is the student that is explained."""
    start: float
    """Start of the section to explain, in seconds."""
    num_takes: int
    """Takes of each encoder."""
    seed: int
    """Seed of the takes."""
    num_inference_steps: int
    """Denoising steps."""
    guidance_scale: float
    """Strength of the video's influence."""
    columns: int
    """Frames side by side in the figure."""
    layer: str | None
    """Layer that is explained; None chooses."""
    view: Literal["full", Technique]
    """Technique with which the video is shown."""

    def stem(self, video: Path) -> str:
        """Name of the output files without suffix."""
        return f"{video.stem}{'' if self.view == 'full' else f'.{self.view}'}.explain"


def explain_shared(
    job: ExplainJob, videos: Sequence[Path], engine: "Engine | None" = None
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Explain videos; they are handed out one by one, to whoever is free.

    Args:
        job: What is computed.
        videos: The videos; their names differ.
        engine: A Dask cluster; otherwise the ranks that torchrun started share the videos.

    Yields:
        Videos as they are finished, with what :func:`describe` returns; under torchrun, those of this rank.

    Raises:
        ValueError: If the layer is none.
        CinefoleyError: As :func:`~cinefoley.analysis.explanation.explain_clip`, or workers keep dying.
    """
    from cinefoley.data.parallel import run_tasks
    from cinefoley.pipelines.ranks import share_among_ranks

    if engine is not None:
        job = replace(job, model=job.model.pinned())
        yield from run_tasks(partial(explain_video, job), videos, engine)
        return
    for video in share_among_ranks(videos, job.out):
        yield explain_video(job, video)


def explain_video(job: ExplainJob, video: Path) -> tuple[Path, dict[str, Any]]:
    """Explain one video and write its files, on any worker. Returns the video and what was found.

    Raises:
        ValueError: If the layer is none.
        CinefoleyError: As :func:`~cinefoley.analysis.explanation.explain_clip`.
    """
    from cinefoley.analysis.explanation import explain_clip
    from cinefoley.evaluation.views import window_of

    with _one_at_a_time:
        pipeline, encoders, audio_encoder = loaded_explainer(job.model)
        explanation = explain_clip(
            video_clip(video),
            pipeline,
            encoders=encoders,
            audio_encoder=audio_encoder,
            window=window_of(video_clip(video), job.view),
            start=job.start,
            num_takes=job.num_takes,
            seed=job.seed,
            num_inference_steps=job.num_inference_steps,
            guidance_scale=job.guidance_scale,
            layer=job.layer,
        )
        times = event_times(video, start=job.start, duration_s=explanation.duration_s)
        files = write_explanation(explanation, job.out, job.stem(video), columns=job.columns, events_s=times)
    return video, describe(explanation, files)


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


@lru_cache(maxsize=1)
def loaded_explainer(
    choice: "ModelChoice",
) -> "tuple[FoleyPipeline, dict[str, str | Path], AudioEncoder | None]":
    """Pipeline, video encoders by name and audio encoder of a choice, once per process.

    Raises:
        WeightsError: If the model cannot be used.
    """
    from cinefoley.pipelines.takes.model_choice import LoadedModel

    if choice.weights is not None:
        _ = LoadedModel(choice).record  # must be those of the command
    student = None if choice.video_encoder is None else Path(choice.video_encoder)
    return *load_encoders(choice.name, student), load_audio_encoder(choice.name)
