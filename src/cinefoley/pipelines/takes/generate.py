"""Generate takes to disk: stream the sound of a video into WAV files, add the videos, publish each take."""

import os
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cinefoley.errors import AudioError, MediaError, MediaWarning, VideoError
from cinefoley.media.files.claims import claimed
from cinefoley.media.files.staging import staging_folder
from cinefoley.pipelines.takes.existing import VideoReport, check_same_settings, report_existing
from cinefoley.pipelines.takes.files import OTHER_SUFFIXES, TakeFiles, plan_takes
from cinefoley.pipelines.takes.model_record import ModelRecord
from cinefoley.pipelines.takes.settings import GenerationSettings, generation_settings
from cinefoley.pipelines.takes.sidecar import check_sidecar, write_sidecar
from cinefoley.pipelines.takes.staging import publish_take
from cinefoley.pipelines.takes.stream import TakeStream
from cinefoley.pipelines.takes.video_source import VideoSource, as_video_source

if TYPE_CHECKING:
    from cinefoley.pipelines.foley import FoleyPipeline

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
    complete, so an interrupted run leaves complete takes only. If another process is generating for the same
    video into the same folder, this waits and then finds the takes.

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
    with claimed(out_dir, source.path.stem):
        return _generate_missing(pipeline, source, out_dir, settings, on_step, model)


def _generate_missing(
    pipeline: "FoleyPipeline",
    source: VideoSource,
    out_dir: Path,
    settings: GenerationSettings,
    on_step: Callable[[int, int], None] | None,
    model: ModelRecord | None,
) -> VideoReport:
    began = time.perf_counter()
    report = report_existing(source, out_dir, settings)
    check_same_settings(report, settings, model)
    skipped = {take.take for take in report.skipped}
    missing = [take for take in plan_takes(source, out_dir, settings) if take.take not in skipped]
    if not missing:
        return report
    stream = TakeStream.of(pipeline, source, settings, model)
    if not settings.overwrites:
        check_sidecar(report.sidecar)
    timings = stream.timings_s
    finished: list[TakeFiles] = []

    def save_record(staging: Path) -> None:
        timings["total"] = time.perf_counter() - began
        write_sidecar(report.sidecar, stream.record, finished, staging=staging)

    with staging_folder(out_dir) as staging:
        staged = [take.moved_to(staging) for take in missing]
        staged = stream.write(staged, on_step)
        try:
            for take in staged:
                publish_take(_write_video(source, take, settings, timings), out_dir, finished)
                save_record(staging)
        except BaseException:
            if finished:
                save_record(staging)  # the last take may be in place without a record
            raise
    return replace(report, takes=tuple(finished), duration_s=stream.record["duration_s"], timings_s=timings)


def _write_video(
    source: VideoSource, take: TakeFiles, settings: GenerationSettings, timings: dict[str, float]
) -> TakeFiles:
    """Combine the input's video stream with the finished WAV; in another container if its own fails."""
    if take.video is None:
        return take
    began = time.perf_counter()
    try:
        source.write_take(take.wav, take.video, start=settings.start)
    except (VideoError, AudioError):
        raise
    except MediaError:
        own = take.video.suffix.lower()
        for suffix in (suffix for suffix in OTHER_SUFFIXES if suffix != own):
            video = take.video.with_suffix(suffix)
            try:
                source.write_take(take.wav, video, start=settings.start)
            except MediaError:
                continue
            take = replace(take, video=video)
            text = f"{source.path.name}: {own} does not accept its video stream; wrote {video.name}."
            warnings.warn(text, MediaWarning, stacklevel=3)
            break
        else:
            raise
    timings["write_films"] = timings.get("write_films", 0.0) + time.perf_counter() - began
    return take
