"""Generate takes to disk: stream the sound of a video into WAV files, add the videos, publish each take."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from cinefoley.errors import AudioError, MediaError, MediaWarning, VideoError
from cinefoley.media.audio.fitted_writer import FittedAudio, fitted_audio
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.pipelines.takes.existing import VideoReport, check_same_settings, report_existing
from cinefoley.pipelines.takes.files import OTHER_SUFFIXES, TakeFiles, TakeLevel, plan_takes
from cinefoley.pipelines.takes.model_record import ModelRecord
from cinefoley.pipelines.takes.settings import GenerationSettings, generation_settings
from cinefoley.pipelines.takes.sidecar import check_sidecar, read_versions, write_sidecar
from cinefoley.pipelines.takes.staging import publish_take, staging_folder
from cinefoley.pipelines.takes.video_source import VideoSource, as_video_source
from cinefoley.pipelines.video_input import VideoInput

if TYPE_CHECKING:
    from cinefoley.pipelines.foley import FoleyPipeline
    from cinefoley.pipelines.windows import WindowPlan

__all__ = ["generate_files"]


def generate_files(
    pipeline: "FoleyPipeline",
    video: str | os.PathLike[str] | VideoSource,
    out_dir: str | os.PathLike[str],
    settings: GenerationSettings | None = None,
    on_step: Callable[[int, int], None] | None = None,
    *,
    model: ModelRecord | None = None,
) -> VideoReport:
    """Generate the missing takes of one video.

    For ``rain.mp4`` this writes ``rain.take1.wav``, ``rain.take1.mp4`` and so on, and ``rain.json``. Sound
    streams to disk window by window. The files of a take are renamed into place together once all are
    complete, so an interrupted run leaves complete takes only.

    Args:
        pipeline: The model, on its device.
        video: A file, or a clip of shards.
        out_dir: Created if missing.
        settings: What to generate; one take with the model's default quality if None.
        on_step: Called with finished and total denoiser calls; may raise to stop.
        model: Written to the sidecar, and compared with the model of existing takes.

    Returns:
        Generated and skipped takes.

    Raises:
        MediaError: If the video cannot be used.
        MissingWeightsError: If double guidance is requested and the model has no guidance classifier.
        OutputError: If ``out_dir`` cannot be written, the disk is full, or existing takes belong to another
            video or were generated with other settings or weights.

    Warns:
        MediaWarning: If the video is damaged, or its video stream needs another container than its own.
    """
    source, out_dir = as_video_source(video), Path(out_dir)
    settings = settings or generation_settings(pipeline.foley_config.quality)
    began = time.perf_counter()
    report = report_existing(source, out_dir, settings)
    check_same_settings(report, settings, model)
    skipped = {take.take for take in report.skipped}
    missing = [take for take in plan_takes(source, out_dir, settings) if take.take not in skipped]
    if not missing:
        return report
    model_input = source.model_input(pipeline.foley_config)
    plan = pipeline.plan(model_input, start=settings.start, duration=settings.duration)
    if not settings.overwrites:
        check_sidecar(report.sidecar)
    timings: dict[str, float] = {}
    record = _describe_run(pipeline, source, settings, plan, model) | {"timings_s": timings}
    finished: list[TakeFiles] = []

    def save_record(staging: Path) -> None:
        timings["total"] = time.perf_counter() - began
        write_sidecar(report.sidecar, record, finished, staging=staging)

    with staging_folder(out_dir) as staging:
        staged = [take.moved_to(staging) for take in missing]
        staged = _stream_sound(pipeline, model_input, staged, settings, plan, timings, on_step)
        try:
            for take in staged:
                publish_take(_write_video(source, take, settings, timings), out_dir, finished)
                save_record(staging)
        except BaseException:
            if finished:
                save_record(staging)  # the last take may be in place without a record
            raise
    duration_s = plan.total / pipeline.foley_config.mel.sample_rate
    return replace(report, takes=tuple(finished), duration_s=duration_s, timings_s=timings)


def _stream_sound(
    pipeline: "FoleyPipeline",
    video: VideoInput,
    takes: Sequence[TakeFiles],
    settings: GenerationSettings,
    plan: "WindowPlan",
    timings: dict[str, float],
    on_step: Callable[[int, int], None] | None,
) -> list[TakeFiles]:
    """Generate all takes in one pass, write their WAVs and mels window by window, and add their levels."""
    config = pipeline.foley_config
    with ExitStack() as files:
        sounds = [
            files.enter_context(fitted_audio(take.wav, config.mel.sample_rate, subtype=settings.subtype))
            for take in takes
        ]
        shape = (len(plan), config.mel.n_mels, config.mel_frames)
        mels = [files.enter_context(_mel_file(take.mel, shape)) for take in takes if take.mel is not None]
        blocks = pipeline.stream(
            video,
            num_takes=max(take.take for take in takes),
            seed=settings.seed,
            start=settings.start,
            duration=settings.duration,
            on_step=on_step,
            timings_s=timings,
            **settings.options(),
        )
        whole: list[list[Tensor]] = [[] for _ in takes]
        for block in blocks:
            for take, sound, parts in zip(takes, sounds, whole, strict=True):
                audio = block.audios[take.take - 1]
                if settings.cues_s is None:
                    sound.write(audio)
                else:
                    parts.append(audio)
            for take, mel in zip(takes, mels, strict=False):
                mel.write(block.mels[take.take - 1].float().numpy().tobytes())
        if settings.cues_s is not None:
            takes = [
                _write_moved(take, sound, torch.cat(parts), settings, config.mel.sample_rate)
                for take, sound, parts in zip(takes, sounds, whole, strict=True)
            ]
    return [
        replace(take, level=TakeLevel.of(sound, take.wav)) for take, sound in zip(takes, sounds, strict=True)
    ]


def _write_moved(
    take: TakeFiles, sound: FittedAudio, waveform: Tensor, settings: GenerationSettings, sample_rate: int
) -> TakeFiles:
    """Move a take's events to the cues, write it, and record the moves."""
    from cinefoley.delivery.moving import move_to_cues

    moved, moves = move_to_cues(waveform, sample_rate, settings.cues_s or (), start_s=settings.start)
    sound.write(moved)
    return replace(take, moves=tuple(moves))


@contextmanager
def _mel_file(path: Path, shape: tuple[int, int, int]) -> Iterator[BinaryIO]:
    """A ``.npy`` file that is written window by window."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        yield file


def _write_video(
    source: VideoSource, take: TakeFiles, settings: GenerationSettings, timings: dict[str, float]
) -> TakeFiles:
    """Combine the input's video stream with the finished WAV; in another container if its own fails."""
    began = time.perf_counter()
    try:
        source.write_take(take.wav, take.video, start=settings.start)
    except (VideoError, AudioError):
        raise
    except MediaError:
        own = take.video.suffix.lower()
        for suffix in (suffix for suffix in OTHER_SUFFIXES if suffix != own):
            other = replace(take, video=take.video.with_suffix(suffix))
            try:
                source.write_take(other.wav, other.video, start=settings.start)
            except MediaError:
                continue
            take = other
            text = f"{source.path.name}: {own} does not accept its video stream; wrote {take.video.name}."
            warnings.warn(text, MediaWarning, stacklevel=3)
            break
        else:
            raise
    timings["write_films"] = timings.get("write_films", 0.0) + time.perf_counter() - began
    return take


def _describe_run(
    pipeline: "FoleyPipeline",
    source: VideoSource,
    settings: GenerationSettings,
    plan: "WindowPlan",
    model: ModelRecord | None,
) -> dict[str, Any]:
    """Everything needed to generate the takes again, ready for JSON."""
    rate = pipeline.foley_config.mel.sample_rate
    choices = {key: value for key, value in asdict(settings).items() if key not in ("seed", "overwrites")}
    return {
        "film": source.describe(),
        "model": None if model is None else asdict(model),
        "seed": settings.seed,
        "settings": choices,
        "sample_rate": rate,
        "samples": plan.total,
        "duration_s": plan.total / rate,
        "windows": {
            "length_s": plan.window / rate,
            "cross_fade_s": plan.fade / rate,
            "starts_s": [start / rate for start in plan.starts],
        },
        "device": {
            "name": str(pipeline.device),
            "dtype": str(pipeline.unet.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
        },
        "versions": read_versions(),
    }
