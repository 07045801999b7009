"""Take job: generate the takes of one video on any worker, and report the outcome as a ledger line."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from cinefoley.data.json_lines import Record
from cinefoley.data.parallel import one_thread
from cinefoley.errors import CinefoleyError, DeviceError, OutputError, WeightsError
from cinefoley.pipelines.takes.existing import VideoReport, check_same_settings, report_existing
from cinefoley.pipelines.takes.generate import generate_files
from cinefoley.pipelines.takes.model_choice import ModelChoice, loaded_in_worker
from cinefoley.pipelines.takes.settings import GenerationSettings
from cinefoley.pipelines.takes.video_source import VideoSource

__all__ = ["TakeJob", "make_files", "skipped_line"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeJob:
    """What every worker of a run needs to know."""

    out: Path
    """Output folder, under the same path for every worker."""
    settings: GenerationSettings
    """What is generated for each video."""
    model: ModelChoice
    """Which model generates it."""


def make_files(job: TakeJob, video: VideoSource) -> Record:
    """Generate the missing takes of one video as files. Returns its line of the ledger.

    One thread computes, because how a sum is divided among threads changes its last bits: takes are the same
    whoever generates them.

    Raises:
        WeightsError: If the model cannot be used.
        DeviceError: If its device cannot be used.
        OutputError: If the output folder cannot be written, or contains takes of other settings.
    """
    began = time.perf_counter()
    model = loaded_in_worker(job.model)
    try:
        existing = report_existing(video, job.out, job.settings)
        if existing.skipped:
            check_same_settings(existing, job.settings)
            check_same_settings(existing, job.settings, model.record)
        if len(existing.skipped) == job.settings.num_takes:
            return _made_line(video, existing, 0.0)
        video.check()  # a video that cannot be used fails before the model is loaded
        with one_thread():
            report = generate_files(model.pipeline, video, job.out, job.settings, model=model.record)
    except Exception as exc:
        return skipped_line(video, exc)
    return _made_line(video, report, time.perf_counter() - began)


def skipped_line(video: VideoSource, error: Exception) -> Record:
    """The ledger's line of a video that cannot be used.

    Raises:
        WeightsError: If that is the error: it concerns every video.
        DeviceError: Likewise.
        OutputError: Likewise.
    """
    if isinstance(error, (WeightsError, DeviceError, OutputError)):
        raise error
    _log.debug("%s", video.path, exc_info=error)
    message = str(error)
    if not isinstance(error, CinefoleyError):  # a bug that one video triggers must not stop the others
        message = f"{video.path}: unexpected {type(error).__name__}: {error}. Please report it with --debug."
    return {"film": str(video.path), "outcome": "skipped", "message": message}


def _made_line(video: VideoSource, report: VideoReport, seconds: float) -> Record:
    return {
        "film": str(video.path),
        "outcome": "made",
        "message": None,
        "takes": sorted(take.take for take in (*report.takes, *report.skipped)),
        "seconds": round(seconds, 3),
    }
