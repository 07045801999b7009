"""Export of clips as a dataset: videos, a split CSV in VGGSound's form, and events as JSON lines."""

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
    """Settings that all videos of one export share."""

    split: Split = "train"
    """Family of seeds."""
    duration_s: float = 10.0
    """Length of every video; VGGSound's is 10 s."""
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
    """Outcome of an export."""

    rendered: int
    """Videos that were rendered by this run."""
    kept: int
    """Existing videos of earlier runs."""
    list_path: Path
    """The CSV: id, start, label, split."""
    events_path: Path
    """One JSON object per video and line."""


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

    A killed run resumes: videos are written atomically. Split CSV and events are written at the end, for all
    videos of the split, so that clips can be added. ``train.settings.json`` holds the settings; a run with
    other settings or of another stage ends with an error, as does a second run in the same folder.

    Args:
        folder: Made if it is missing.
        count: Number of clips, at least 1.
        settings: Settings of all videos.
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
        missing = [seed for seed in seeds if not _video_path(folder, settings, seed).exists()]
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
        raise OutputError(f"{path}: is damaged ({exc}). Remove it and the videos beside it.") from exc
    differing = [
        f"{key} {found.get(key)}, not {value}" for key, value in wanted.items() if found.get(key) != value
    ]
    if differing:
        raise OutputError(
            f"{path.parent}: holds {settings.split} clips of other settings ({'; '.join(differing)}). "
            "Choose another folder, or repeat the settings."
        )


def _video_path(folder: Path, settings: ExportSettings, seed: int) -> Path:
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
    video = _video_path(folder, settings, seed)
    save_video(video, frames, clip.fps, waveform=clip.waveform, sample_rate=clip.sample_rate)


def _write_lists(folder: Path, settings: ExportSettings, seeds: range) -> tuple[Path, Path]:
    """Write split CSV and events of every video of the split; both follow from the seeds."""
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
