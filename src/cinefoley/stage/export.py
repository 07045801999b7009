"""Many clips as files: films, a list in VGGSound's form, and every event as JSON lines."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, delayed

from cinefoley.errors import OutputError
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.files.folder_lock import locked_folder
from cinefoley.media.muxing.save_video import save_video
from cinefoley.stage.clip import describe_clip
from cinefoley.stage.digest import stage_digest
from cinefoley.stage.generator import Split
from cinefoley.stage.render import draw_take, frame_times, render_clip
from cinefoley.stage.take import StageTake
from cinefoley.stage.version import StageVersion

__all__ = ["ExportReport", "ExportSettings", "export_clips"]

_DESCRIBED_RATE = 16000  # at which it is found when a sound has died away; fast, and close enough


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """What all films of one list have in common."""

    split: Split = "train"
    """Family of seeds."""
    duration_s: float = 10.0
    """Length of every film; VGGSound's is 10 s."""
    side: int = 224
    """Pixels of the shorter side; the shape is the clip's own: 16:9, 9:16 or square."""
    fps: float = 25.0
    """Frames per second."""
    sample_rate: int = 48000
    """Samples per second."""
    version: StageVersion | None = None
    """Which stage; :data:`~cinefoley.stage.version.DEFAULT_VERSION` if None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export has made."""

    rendered: int
    """Films that were rendered now."""
    kept: int
    """Films that were there already."""
    list_path: Path
    """The CSV: id, start, label, split."""
    events_path: Path
    """One JSON object a line for each film."""


def export_clips(
    folder: Path,
    count: int,
    settings: ExportSettings,
    *,
    first_seed: int = 0,
    workers: int = 1,
    on_clip: Callable[[int], None] | None = None,
) -> ExportReport:
    """Render clips into ``folder``: ``train-000000.mp4`` and so on, ``train.csv``, ``train.events.jsonl``.

    A run that was killed goes on where it was: films appear under their names only when they are complete,
    and list and events are written at the end, of all that is there of the split: clips can be added.
    ``train.settings.json`` says what the films are; a run with other settings, or with another stage, is
    refused, as is a second run while one is going on.

    Args:
        folder: Made if it is missing.
        count: Number of clips, at least 1.
        settings: What they are like.
        first_seed: Seed of the first; the others follow.
        workers: Processes.
        on_clip: Called with the number of finished clips.

    Raises:
        OutputError: If the folder cannot be used: not writable, in use, or of other settings.
        ValueError: If a number is out of range.
    """
    if count < 1 or first_seed < 0 or workers < 1:
        raise ValueError(
            f"need count and workers of 1 or more and a seed of 0 or more, "
            f"got count={count}, workers={workers}, first_seed={first_seed}"
        )
    if settings.side < 16 or settings.sample_rate < 8000 or settings.fps <= 0:
        raise ValueError(f"need 16 pixels, 8000 Hz and fps > 0 or more, got {settings}")
    seeds = range(first_seed, first_seed + count)
    _draw(settings, first_seed)  # before the folder is made: the settings may be out of range
    with _claimed(folder, settings):
        missing = [seed for seed in seeds if not _film(folder, settings, seed).exists()]
        jobs = (delayed(_render)(folder, settings, seed) for seed in missing)
        finished = Parallel(n_jobs=workers, return_as="generator_unordered")(jobs)
        for done, _ in enumerate(finished, start=count - len(missing) + 1):
            if on_clip is not None:
                on_clip(done)
        list_path, events_path = _write_lists(folder, settings, seeds)
    return ExportReport(
        rendered=len(missing), kept=count - len(missing), list_path=list_path, events_path=events_path
    )


@contextmanager
def _claimed(folder: Path, settings: ExportSettings) -> Iterator[None]:
    """Hold the folder for one run, and see that what is there fits."""
    with locked_folder(
        folder,
        lock_name=".export.lock",
        refusal="is in use: another run is writing there. Wait for it, or choose another folder.",
    ):
        _check_settings(folder / f"{settings.split}.settings.json", settings)
        yield


def _check_settings(path: Path, settings: ExportSettings) -> None:
    wanted = asdict(settings) | {"stage": stage_digest(settings.version)}
    del wanted["version"]  # the digest names it, and files of earlier exports have no such key
    if not path.exists():
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(wanted, indent=2) + "\n")
        return
    try:
        found = json.loads(path.read_text())
    except ValueError as exc:
        raise OutputError(f"{path}: is damaged ({exc}). Remove it and the films beside it.") from exc
    differing = [
        f"{key} {found.get(key)}, not {value}" for key, value in wanted.items() if found.get(key) != value
    ]
    if differing:
        raise OutputError(
            f"{path.parent}: holds {settings.split} clips of other settings ({'; '.join(differing)}). "
            "Choose another folder, or repeat the settings."
        )


def _film(folder: Path, settings: ExportSettings, seed: int) -> Path:
    return folder / f"{_name(settings, seed)}.mp4"


def _name(settings: ExportSettings, seed: int) -> str:
    return f"{settings.split}-{seed:06d}"


def _size(take: StageTake, side: int) -> tuple[int, int]:
    """Height and width, both even."""
    height, width = side * max(1.0, 1 / take.aspect), side * max(1.0, take.aspect)
    return 2 * round(height / 2), 2 * round(width / 2)


def _draw(settings: ExportSettings, seed: int) -> StageTake:
    return draw_take(seed, split=settings.split, duration_s=settings.duration_s, version=settings.version)


def _render(folder: Path, settings: ExportSettings, seed: int) -> None:
    torch.set_num_threads(1)
    clip = render_clip(
        seed,
        split=settings.split,
        fps=settings.fps,
        size=_size(_draw(settings, seed), settings.side),
        sample_rate=settings.sample_rate,
        duration_s=settings.duration_s,
        version=settings.version,
    )
    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    film = _film(folder, settings, seed)
    save_video(film, frames, clip.fps, waveform=clip.waveform, sample_rate=clip.sample_rate)


def _write_lists(folder: Path, settings: ExportSettings, seeds: range) -> tuple[Path, Path]:
    """Lists of all that is there of the split; they follow from the seeds, so a killed run loses nothing."""
    names = (path.stem for path in folder.glob(f"{settings.split}-*.mp4"))
    known = (re.fullmatch(rf"{settings.split}-(\d{{6,}})", name) for name in names)
    everything = sorted({*seeds, *(int(match[1]) for match in known if match)})
    list_path, events_path = (folder / f"{settings.split}.{suffix}" for suffix in ("csv", "events.jsonl"))
    with (
        atomic_write(list_path) as list_part,
        atomic_write(events_path) as events_part,
        list_part.open("w", newline="") as rows,
        events_part.open("w") as lines,
    ):
        writer = csv.writer(rows, lineterminator="\n")
        for seed in everything:
            description = _describe(settings, seed)
            writer.writerow([_name(settings, seed), 0, description["kinds"][0], settings.split])
            lines.write(json.dumps(description) + "\n")
    return list_path, events_path


def _describe(settings: ExportSettings, seed: int) -> dict[str, Any]:
    take = _draw(settings, seed)
    size = _size(take, settings.side)
    description = describe_clip(
        take.events(size=size),
        take.sources(frame_times(settings.duration_s, settings.fps), size=size),
        seed=seed,
        split=settings.split,
        duration_s=settings.duration_s,
        fps=settings.fps,
        waveform=take.event_waveform(_DESCRIBED_RATE),
        sample_rate=_DESCRIBED_RATE,
        has_boxes=True,
    )
    return {"id": _name(settings, seed), "fps": settings.fps, "size": list(size)} | description
