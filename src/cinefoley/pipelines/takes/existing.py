"""Existing takes: which outputs of a video can be skipped, and whether the same settings generated them."""

import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cinefoley.errors import OutputError
from cinefoley.pipelines.takes.files import TakeFiles, check_names_free, existing_take, plan_takes
from cinefoley.pipelines.takes.model_record import ModelRecord
from cinefoley.pipelines.takes.settings import GenerationSettings
from cinefoley.pipelines.takes.sidecar import check_same_video, find_differences, recorded_takes
from cinefoley.pipelines.takes.video_source import VideoSource, as_video_source

__all__ = ["VideoReport", "check_same_settings", "report_existing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoReport:
    """Generated and skipped takes of one video."""

    video: Path
    """The video."""
    takes: tuple[TakeFiles, ...]
    """Takes that were generated now."""
    skipped: tuple[TakeFiles, ...]
    """Takes that existed already."""
    sidecar: Path
    """JSON file with everything needed to generate the takes again."""
    seed: int
    """Seed of the takes generated now."""
    duration_s: float | None = None
    """Length of each take in seconds; None if nothing was generated."""
    timings_s: dict[str, float] = field(default_factory=dict)
    """Seconds spent in each part, and in all (``total``)."""


def report_existing(
    video: str | os.PathLike[str] | VideoSource, out_dir: str | os.PathLike[str], settings: GenerationSettings
) -> VideoReport:
    """List the existing takes of a video, without decoding anything.

    A take exists if its WAV and its video do; with ``settings.overwrites`` none counts.

    Raises:
        OutputError: If, without ``overwrites``, the takes there belong to another video, or files without a
            record have the names of missing takes.
    """
    source, out_dir = as_video_source(video), Path(out_dir)
    planned = plan_takes(source, out_dir, settings)
    sidecar = out_dir / f"{source.path.stem}.json"
    found = [existing_take(take) for take in planned]
    if not settings.overwrites:
        if sidecar.exists():
            with suppress(FileNotFoundError):  # a missing video is reported when it is opened
                check_same_video(sidecar, source.describe())
        recorded = recorded_takes(sidecar)
        pairs = zip(planned, found, strict=True)
        check_names_free(take for take, there in pairs if there is None and take.take not in recorded)
    return VideoReport(
        video=source.path,
        takes=(),
        skipped=() if settings.overwrites else tuple(take for take in found if take is not None),
        sidecar=sidecar,
        seed=settings.seed,
    )


def check_same_settings(
    report: VideoReport, settings: GenerationSettings, model: ModelRecord | None = None
) -> None:
    """Refuse existing takes that were generated with other settings or weights.

    Args:
        report: From :func:`report_existing`.
        settings: The requested settings.
        model: The requested weights; None does not compare them.

    Raises:
        OutputError: If an existing take differs; names the differences.
    """
    changes = find_differences(report.sidecar, report.skipped, asdict(settings), model)
    if changes:
        names = ", ".join(take.wav.name for take in report.skipped if take.take in changes)
        texts = "; ".join(dict.fromkeys(text for change in changes.values() for text in change))
        raise OutputError(
            f"{report.sidecar.parent}: contains {names}, generated with {texts}. Choose another folder with "
            "-o, remove them, or pass --force to replace every take."
        )
