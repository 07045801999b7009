"""Test set builder: windows, videos, manifest and ledger of VGG-CU, VGG-CM or any set like them."""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import torch

from cinefoley import __version__
from cinefoley.data.events.event_file import records_in_windows
from cinefoley.data.json_lines import Journal, Record, write_json, write_records
from cinefoley.data.parallel import Engine, run_tasks
from cinefoley.data.sources.clip_reader import fault_from
from cinefoley.data.sources.clip_source import ClipFault
from cinefoley.data.sources.file_digests import file_sha256
from cinefoley.data.sources.split_csv import SplitRow
from cinefoley.data.test_sets.single_videos import describe_variation
from cinefoley.data.test_sets.test_set import SET_KIND, SetLayout, VariedSet, read_test_set
from cinefoley.errors import DataError, MediaWarning, OutputError
from cinefoley.media.files.folder_lock import locked_folder
from cinefoley.media.versions import ffmpeg_versions, joined_versions
from cinefoley.variations.variation import Variation
from cinefoley.variations.window import Window

__all__ = ["SetClip", "begin_set", "build_set", "claimed_set", "clip_seed", "describe_set"]

_log = logging.getLogger(__name__)

_LOCK = ".set.lock"
_FORMAT = 1  # raise when the same settings would give other windows or videos


class SetClip(Protocol):
    """One clip of a set to be built: where it is stored, and how a window of it is drawn and written."""

    @property
    def row(self) -> SplitRow:
        """Its line in the split CSV."""
        ...

    def find_fault(self) -> ClipFault | None:
        """Why the clip cannot be used, as far as that is known without reading it."""
        ...

    def identity(self) -> Record:
        """Name and digests of what is shown: a window is drawn and written again when they change.

        Raises:
            MediaError: If the clip cannot be read.
        """
        ...

    def draw(self, variation: Variation, generator: torch.Generator) -> Window:
        """Draw a window for the clip.

        Raises:
            MediaError: If the clip cannot be read, or is too small or too short for the variation.
        """
        ...

    def write(self, window: Window, folder: Path) -> Path:
        """Write a video of the window into a folder. Returns its path.

        Raises:
            MediaError: If the clip cannot be read.
            OutputError: If the video cannot be written.
        """
        ...


def build_set(
    clips: Sequence[SetClip],
    out: str | os.PathLike[str],
    variation: Variation,
    *,
    folder: Path,
    seed: int,
    jobs: int,
    is_view: bool,
    more_settings: Record,
    event_file: Path | None = None,
    on_clip: Callable[[int, int, str], None] | None = None,
) -> VariedSet:
    """Build a test set, or finish one that was interrupted.

    The window of a clip depends on ``seed`` and on the clip's id, never on its place in the split CSV or on
    the other clips; manifest and videos are the same bytes for any number of jobs. A second run resumes: a
    clip is done again only if its record or its video is missing, or a digest has changed. Clips that are
    missing or cannot be read are skipped and named in the ledger; the next run tries them again.

    Args:
        clips: The clips, sorted by id.
        out: Folder of the set; made if it is missing.
        variation: What to show.
        folder: Where the clips are.
        seed: The set's seed.
        jobs: Worker processes; -1 for every core.
        is_view: Whether to record the windows only, and write no videos.
        more_settings: Recorded with the set beside what :func:`describe_set` returns.
        event_file: Event file of the split CSV.
        on_clip: Called with finished clips, all clips, and an id, after each clip.

    Raises:
        DataError: If ``out`` holds another set, workers keep dying, or the event file is damaged.
        OutputError: If ``out`` cannot be written.
        ValueError: If ``jobs`` is 0.
    """
    if jobs == 0:
        raise ValueError("jobs must not be 0; -1 takes every core")
    layout = SetLayout(Path(out))
    settings = describe_set(variation, seed, [clip.row for clip in clips], is_view=is_view, clips=folder)
    with claimed_set(layout):
        earlier = begin_set(layout, settings | more_settings)
        tasks = [
            _Task(
                clip=clip,
                seed=clip_seed(seed, clip.row.id),
                variation=variation,
                videos=None if is_view else layout.videos,
                earlier=earlier.get(clip.row.id),
            )
            for clip in clips
        ]
        records = _run(tasks, layout, jobs, on_clip)
        _finish(layout, records, event_file)
    return read_test_set(out, clips=folder)


def describe_set(
    variation: Variation, seed: int, rows: Sequence[SplitRow], *, is_view: bool, clips: Path
) -> Record:
    """Settings of a test set, as they are recorded and compared.

    Args:
        variation: What is shown.
        seed: The set's seed.
        rows: The split CSV, sorted by id.
        is_view: Whether there are windows only, and no videos.
        clips: Where the clips are.
    """
    listed = json.dumps([asdict(row) for row in rows]).encode()
    return {
        "kind": SET_KIND,
        "format": _FORMAT,
        **describe_variation(variation),
        "seed": seed,
        "is_view": is_view,
        "num_listed": len(rows),
        "list_sha256": hashlib.sha256(listed).hexdigest(),
        "clips_folder": str(clips.absolute()),
        "versions": {"cinefoley": __version__, "torch": torch.__version__, **ffmpeg_versions()},
    }


def claimed_set(layout: SetLayout) -> AbstractContextManager[None]:
    """Hold a set's folder while it is built.

    Raises:
        OutputError: If another run holds it, or it cannot be made.
    """
    return locked_folder(
        layout.folder,
        lock_name=_LOCK,
        refusal="is in use: another run builds a set there. Wait for it, or choose another folder with -o.",
    )


def begin_set(layout: SetLayout, settings: Record) -> Mapping[str, Record]:
    """Make the folder and record the settings; the folder must be empty or hold the same set.

    Args:
        layout: Where the set is.
        settings: What :func:`describe_set` returned, and what else distinguishes the set.

    Returns:
        Records of clips that earlier runs finished, by id.

    Raises:
        DataError: If the folder holds something else.
        OutputError: If it cannot be made.
    """
    try:
        (layout.folder if settings["is_view"] else layout.videos).mkdir(parents=True, exist_ok=True)
        is_empty = all(path == layout.videos or path.name == _LOCK for path in layout.folder.iterdir())
    except OSError as exc:
        raise OutputError(
            f"{layout.folder}: cannot be made ({exc.strerror}). Choose another with -o."
        ) from exc
    existing = layout.read_settings()
    if existing is None and not is_empty:
        raise DataError(
            f"{layout.folder}: holds other files and no test set. Choose an empty folder with -o."
        )
    changes = [
        f"{key} is {existing.get(key)}, requested {value}"
        for key, value in settings.items()
        if existing is not None and key not in {"clips_folder", "versions"} and existing.get(key) != value
    ]
    if changes:
        raise DataError(
            f"{layout.folder}: holds another test set ({'; '.join(changes)}). Choose another folder with -o."
        )
    _remove_partial_videos(layout)
    write_json(layout.settings, settings | joined_versions(existing, settings["versions"]))
    records = [*Journal(layout.manifest).read(), *Journal(layout.progress).read()]
    return {record["id"]: record for record in records if "id" in record}


def clip_seed(seed: int, clip_id: str) -> int:
    """The seed of one clip: from the set's seed and the clip's id alone.

    The variation does not enter, so the window of a clip is as large in a set of close-ups as in one of
    camera movements with the same seed.

    Args:
        seed: The set's seed.
        clip_id: The clip's id.

    Returns:
        The first 32 bits of a SHA-256; PyTorch's generator on the CPU uses no more.

    Examples:
        >>> clip_seed(0, "--0PQM4-hqg")
        2685398627
    """
    return int.from_bytes(hashlib.sha256(f"cinefoley vary/{seed}/{clip_id}".encode()).digest()[:4])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    clip: SetClip
    seed: int
    variation: Variation
    videos: Path | None
    earlier: Record | None


def _run(
    tasks: Sequence[_Task], layout: SetLayout, jobs: int, on_clip: Callable[[int, int, str], None] | None
) -> list[Record]:
    """Records for manifest and ledger, in the order of the tasks; finished ones are logged at once."""
    records: dict[str, Record] = {}
    journal = Journal(layout.progress)
    engine = Engine(jobs=jobs if len(tasks) > 1 else 1)  # processes take seconds to start
    with journal.opened(), closing(run_tasks(_make_record, tasks, engine)) as results:
        for done, (record, is_new) in enumerate(results, start=1):
            records[record["id"]] = record
            if is_new and "reason" not in record:
                journal.append(record)
            if on_clip is not None:
                on_clip(done, len(tasks), record["id"])
    return [records[task.clip.row.id] for task in tasks]


def _make_record(task: _Task) -> tuple[Record, bool]:
    """Do one clip. Returns its line for the manifest or the ledger, and whether it is a new one."""
    name = task.clip.row.id
    fault = task.clip.find_fault()
    if fault is not None:
        return fault.to_record(name), True
    try:
        identity = task.clip.identity()
        if task.earlier is not None and _is_current(task, identity, task.earlier):
            return task.earlier, False
        return _vary(task, identity), True
    except Exception as exc:  # one clip never ends the whole set
        return ClipFault(reason="unreadable", message=fault_from(exc, name).message).to_record(name), True


def _is_current(task: _Task, identity: Record, record: Record) -> bool:
    """Whether an earlier record is of the same clip, and its video is JPEG as it was written."""
    if not identity.items() <= record.items():
        return False
    if task.videos is None:
        return True
    video = task.videos / str(record["film"])
    return video.is_file() and bool(file_sha256(video) == record["film_sha256"])


def _vary(task: _Task, identity: Record) -> Record:
    row = task.clip.row
    record: Record = {
        "id": row.id,
        "start_s": row.start_s,
        "label": row.label,
        "split": row.split,
        "seed": task.seed,
        **identity,
        "film": None,
        "film_sha256": None,
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MediaWarning)
        window = task.clip.draw(task.variation, torch.Generator().manual_seed(task.seed))
        if task.videos is not None:
            video = task.clip.write(window, task.videos)
            record |= {"film": video.name, "film_sha256": file_sha256(video)}
    messages = [str(warning.message) for warning in caught if issubclass(warning.category, MediaWarning)]
    return record | {"window": window.to_dict(), "warnings": messages}


def _remove_partial_videos(layout: SetLayout) -> None:
    for partial in layout.videos.glob(".cinefoley-*.part"):  # of processes that were killed
        partial.unlink(missing_ok=True)


def _finish(layout: SetLayout, records: list[Record], event_file: Path | None) -> None:
    """Write events, ledger and manifest; videos of clips that are no longer listed stay where they are."""
    _remove_partial_videos(layout)
    clips = [record for record in records if "reason" not in record]
    events = iter(()) if event_file is None else records_in_windows(event_file, clips)
    first = next(events, None)
    if first is None:
        layout.events.unlink(missing_ok=True)
    else:
        write_records(layout.events, chain([first], events))
    write_records(layout.ledger, (record for record in records if "reason" in record))
    write_records(layout.manifest, clips)
    layout.progress.unlink(missing_ok=True)
    _log.info("%d clips, %d skipped", len(clips), len(records) - len(clips))
