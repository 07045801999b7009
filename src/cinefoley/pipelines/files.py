"""From a film on disk to its takes on disk, whole or not at all."""

import math
import os
import secrets
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch

from cinefoley.errors import AudioError, MediaError, MediaWarning, OutputError, VideoError
from cinefoley.media.audio.fitted_writer import fitted_audio
from cinefoley.media.audio.writer import Subtype
from cinefoley.media.files.atomic_write import written_aside
from cinefoley.pipelines.film import VideoInput
from cinefoley.pipelines.film_takes import Film, as_film
from cinefoley.pipelines.settings import SamplingSettings
from cinefoley.pipelines.sidecar import (
    ModelRecord,
    TakeFiles,
    TakeLevel,
    check_film,
    check_sidecar,
    made_otherwise,
    read_versions,
    recorded_takes,
    write_sidecar,
)

if TYPE_CHECKING:
    from cinefoley.pipelines.foley import FoleyPipeline
    from cinefoley.pipelines.windows import WindowPlan

__all__ = ["FilmReport", "GenerationSettings", "check_made_alike", "generate_files", "report_existing"]

_OTHER_SUFFIXES = (".mkv", ".mov")  # where the film's own container does not take its picture


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSettings(SamplingSettings):
    """What to make of each film, and how it is sampled."""

    num_takes: int = 1
    """Takes per film."""
    seed: int = 0
    """The same seed makes the same takes."""
    start: float = 0.0
    """Where the section begins, in seconds from the first picture."""
    duration: float | None = None
    """Seconds of the section; None reaches to the end."""
    subtype: Subtype = "PCM_16"
    """How the WAV stores its samples."""
    saves_mel: bool = False
    """Whether to keep the mels."""
    overwrites: bool = False
    """Whether to make takes again that are already there."""

    def __post_init__(self) -> None:
        SamplingSettings.__post_init__(self)  # not super(): slots make another class of this one
        if self.num_takes < 1 or not 0 <= self.seed < 2**32:
            raise ValueError(f"takes must be at least 1 and the seed 0 to 2**32 - 1: {self}")
        if not (math.isfinite(self.start) and self.start >= 0):
            raise ValueError(f"start must be 0 s or more, got {self.start}")
        if self.duration is not None and not (math.isfinite(self.duration) and self.duration >= 1e-3):
            raise ValueError(f"duration must be a millisecond or more, got {self.duration}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmReport:
    """What became of one film."""

    video: Path
    """The film."""
    takes: tuple[TakeFiles, ...]
    """Takes that were made now."""
    skipped: tuple[TakeFiles, ...]
    """Takes that were there already."""
    sidecar: Path
    """The record that makes them again."""
    seed: int
    """The seed of the takes made now."""
    duration_s: float | None = None
    """Length of each take in seconds; None where nothing was made."""
    timings_s: dict[str, float] = field(default_factory=dict)
    """Seconds spent in each part, and in all (``total``)."""


def report_existing(
    video: str | os.PathLike[str] | Film, out_dir: str | os.PathLike[str], settings: GenerationSettings
) -> FilmReport:
    """Tell which takes of a film are there already, without decoding anything.

    A take is there if its WAV and its film are; with ``settings.overwrites`` none counts.

    Raises:
        OutputError: If takes of another film have these names there, or other files have those of takes that
            are not there, and neither are to be overwritten.
    """
    film, out_dir = as_film(video), Path(out_dir)
    planned = _planned_takes(film, out_dir, settings)
    sidecar = out_dir / f"{film.path.stem}.json"
    if sidecar.exists() and not settings.overwrites:
        with suppress(FileNotFoundError):  # a film that is gone is told when it is opened
            check_film(sidecar, film.describe())
    standing = [_standing(take) for take in planned]
    if not settings.overwrites:
        ours = recorded_takes(sidecar)
        _check_free(
            take
            for take, there in zip(planned, standing, strict=True)
            if there is None and take.take not in ours
        )
    return FilmReport(
        video=film.path,
        takes=(),
        skipped=() if settings.overwrites else tuple(take for take in standing if take is not None),
        sidecar=sidecar,
        seed=settings.seed,
    )


def check_made_alike(
    report: FilmReport, settings: GenerationSettings, model: ModelRecord | None = None
) -> None:
    """Refuse to take what other settings or weights made for what is asked for now.

    Args:
        report: Of :func:`report_existing`.
        settings: What is asked for.
        model: The weights that are; None leaves them out.

    Raises:
        OutputError: If a take that is there was made otherwise; says in what.
    """
    changes = made_otherwise(report.sidecar, report.skipped, asdict(settings), model)
    if changes:
        names = ", ".join(take.wav.name for take in report.skipped if take.take in changes)
        texts = "; ".join(dict.fromkeys(text for change in changes.values() for text in change))
        raise OutputError(
            f"{report.sidecar.parent}: holds {names}, made with {texts}. Choose another folder with -o, "
            "remove them, or pass --force to make every take again."
        )


def generate_files(
    pipeline: "FoleyPipeline",
    video: str | os.PathLike[str] | Film,
    out_dir: str | os.PathLike[str],
    settings: GenerationSettings | None = None,
    on_step: Callable[[int, int], None] | None = None,
    *,
    model: ModelRecord | None = None,
) -> FilmReport:
    """Generate the takes of one film that are not there yet.

    For ``rain.mp4`` they are ``rain.take1.wav``, ``rain.take1.mp4`` and so on, with ``rain.json`` beside
    them. Sound streams to disk window by window. A take appears, WAV and film together, when both are
    complete; whatever stops the work leaves finished takes and nothing else.

    Args:
        pipeline: The model, on its device.
        video: The film: a file, or a clip of shards.
        out_dir: Is made if missing.
        settings: What to make; the defaults if None.
        on_step: Called with finished and total denoiser calls; may raise to stop.
        model: Goes into the sidecar, and is compared with what made the takes that are there.

    Returns:
        What was made and what was skipped.

    Raises:
        MediaError: If the film cannot be used.
        MissingWeightsError: If double guidance is asked for and the model has no guidance classifier.
        OutputError: If ``out_dir`` cannot be written, the disk is full, takes of another film have these
            names there, or this film's were made with other settings or weights.

    Warns:
        MediaWarning: If the film is damaged, or its picture goes into another container than its own.
    """
    film, out_dir, settings = as_film(video), Path(out_dir), settings or GenerationSettings()
    began = time.perf_counter()
    report = report_existing(film, out_dir, settings)
    check_made_alike(report, settings, model)
    skipped = {take.take for take in report.skipped}
    missing = [take for take in _planned_takes(film, out_dir, settings) if take.take not in skipped]
    if not missing:
        return report
    watched = film.watch(pipeline.foley_config)
    plan = pipeline.plan(watched, start=settings.start, duration=settings.duration)
    if not settings.overwrites:
        check_sidecar(report.sidecar)
    timings: dict[str, float] = {}
    record = _describe_run(pipeline, film, settings, plan, model) | {"timings_s": timings}
    finished: list[TakeFiles] = []

    def keep_record(staging: Path) -> None:
        timings["total"] = time.perf_counter() - began
        write_sidecar(report.sidecar, record, finished, staging=staging)

    with _staging(out_dir) as staging:
        staged = [take.moved_to(staging) for take in missing]
        staged = _stream_sound(pipeline, watched, staged, settings, plan, timings, on_step)
        try:
            for take in staged:
                _publish(_write_film(film, take, settings, timings), out_dir, finished)
                keep_record(staging)
        except BaseException:
            if finished:
                keep_record(staging)  # the last of them may be in place without being on record
            raise
    duration_s = plan.total / pipeline.foley_config.mel.sample_rate
    return replace(report, takes=tuple(finished), duration_s=duration_s, timings_s=timings)


def _planned_takes(film: Film, out_dir: Path, settings: GenerationSettings) -> list[TakeFiles]:
    """Name the files that a film's takes go to."""
    suffix = film.suffix
    stems = [(take, f"{film.path.stem}.take{take}") for take in range(1, settings.num_takes + 1)]
    return [
        TakeFiles(
            take=take,
            wav=out_dir / f"{stem}.wav",
            film=out_dir / f"{stem}{suffix}",
            mel=_mel_beside(out_dir / f"{stem}.wav") if settings.saves_mel else None,
        )
        for take, stem in stems
    ]


def _mel_beside(wav: Path) -> Path:
    return wav.with_suffix(".mel.npy")


def _standing(take: TakeFiles) -> TakeFiles | None:
    """What is there of a take whose sound and film are; else None."""
    films = [film for film in _films_of(take) if film.exists()]
    if not films or not take.wav.exists():
        return None
    return replace(take, film=films[0], mel=take.mel if take.mel and take.mel.exists() else None)


def _films_of(take: TakeFiles) -> list[Path]:
    """Where a take's film may lie: in its own container, or in another where that does not take it."""
    return [take.film, *(take.film.with_suffix(suffix) for suffix in _OTHER_SUFFIXES)]


def _check_free(takes: Iterable[TakeFiles]) -> None:
    """A file of a take's name that no record of ours names may be somebody's own."""
    for take in takes:
        for path in (take.wav, *_films_of(take)):
            if path.exists():
                raise OutputError(
                    f"{path}: exists and is in no record of takes, so it was left alone. Choose another "
                    "folder with -o, or pass --force to replace it."
                )


@contextmanager
def _staging(out_dir: Path) -> Iterator[Path]:
    """A folder inside ``out_dir`` for what is not finished; gone afterwards, whatever happens."""
    folder = (
        out_dir / f".cinefoley-{secrets.token_hex(8)}.part"
    )  # named before it is made, so never forgotten
    try:
        _make_folder(folder)
        yield folder
    except OutputError as exc:  # speak of the file that was meant, not of its place in here
        raise OutputError(str(exc).replace(str(folder), str(out_dir))) from exc
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except OSError as exc:
        raise OutputError(
            f"{folder.parent}: cannot be written ({exc.strerror}). Choose a folder of yours with -o."
        ) from exc


def _stream_sound(
    pipeline: "FoleyPipeline",
    video: VideoInput,
    takes: Sequence[TakeFiles],
    settings: GenerationSettings,
    plan: "WindowPlan",
    timings: dict[str, float],
    on_step: Callable[[int, int], None] | None,
) -> list[TakeFiles]:
    """Generate all takes in one pass; write their WAVs, and mels, as the windows come; add their levels."""
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
        for block in blocks:
            for take, sound in zip(takes, sounds, strict=True):
                sound.write(block.audios[take.take - 1])
            for take, mel in zip(takes, mels, strict=False):
                mel.write(block.mels[take.take - 1].float().numpy().tobytes())
    return [replace(take, level=TakeLevel.of(sound)) for take, sound in zip(takes, sounds, strict=True)]


@contextmanager
def _mel_file(path: Path, shape: tuple[int, int, int]) -> Iterator[BinaryIO]:
    """A ``.npy`` file that is written window by window."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with written_aside(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        yield file


def _write_film(
    film: Film, take: TakeFiles, settings: GenerationSettings, timings: dict[str, float]
) -> TakeFiles:
    """Put the finished WAV beside the film's picture; in another container where its own refuses."""
    began = time.perf_counter()
    try:
        film.write_take(take.wav, take.film, start=settings.start)
    except (VideoError, AudioError):
        raise
    except MediaError:
        own = take.film.suffix.lower()
        for suffix in (suffix for suffix in _OTHER_SUFFIXES if suffix != own):
            other = replace(take, film=take.film.with_suffix(suffix))
            try:
                film.write_take(other.wav, other.film, start=settings.start)
            except MediaError:
                continue
            take = other
            text = f"{film.path.name}: {own} does not take its picture as it is; wrote {take.film.name}."
            warnings.warn(text, MediaWarning, stacklevel=3)
            break
        else:
            raise
    timings["write_films"] = timings.get("write_films", 0.0) + time.perf_counter() - began
    return take


def _publish(take: TakeFiles, out_dir: Path, finished: list[TakeFiles]) -> None:
    """Rename a complete take into place and add it to ``finished``: all of it, or what was there stays.

    An interrupt may fall between any two calls, so what to undo is read off the disk: a file that has left
    the staging folder was placed.
    """
    target = take.moved_to(out_dir)
    paths = [(take.film, target.film), (take.wav, target.wav)]
    if take.mel is not None and target.mel is not None:
        paths.insert(1, (take.mel, target.mel))
    begun: list[tuple[Path, Path, Path | None]] = []
    destination = target.wav
    try:
        for source, destination in paths:
            begun.append((source, destination, _second_name(destination, source.parent)))
            source.replace(destination)
        if target.mel is None:  # an earlier take's, which would be judged in place of this one's sound
            _mel_beside(target.wav).unlink(missing_ok=True)
        finished.append(target)
    except BaseException as exc:
        placed = () if target in finished else [entry for entry in begun if not entry[0].exists()]
        for _, put, older in placed:
            put.unlink(missing_ok=True) if older is None else older.replace(put)
        if isinstance(exc, OSError):
            raise OutputError(f"{destination}: cannot be written ({exc.strerror}).") from exc
        raise


def _second_name(path: Path, folder: Path) -> Path | None:
    """A link to an older file, which outlives its replacement; None where there is none, or no links are."""
    link = folder / f"{path.name}.older"
    try:
        link.hardlink_to(path)
    except OSError:
        return None
    return link


def _describe_run(
    pipeline: "FoleyPipeline",
    film: Film,
    settings: GenerationSettings,
    plan: "WindowPlan",
    model: ModelRecord | None,
) -> dict[str, Any]:
    """Everything that makes the takes again, ready for JSON."""
    rate = pipeline.foley_config.mel.sample_rate
    choices = {key: value for key, value in asdict(settings).items() if key not in ("seed", "overwrites")}
    return {
        "film": film.describe(),
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
