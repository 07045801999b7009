"""What building a test set is about, whatever its clips are kept in: the folder, the work, the records."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeVar

import torch

from cinefoley import __version__
from cinefoley.data.events.event_file import records_in_windows
from cinefoley.data.json_lines import Journal, Record, write_json, write_records
from cinefoley.data.parallel import Engine, run_tasks
from cinefoley.data.sources.split_csv import SplitRow
from cinefoley.data.test_sets.test_set import SetLayout
from cinefoley.data.test_sets.varied_videos import describe_variation
from cinefoley.errors import DataError, OutputError
from cinefoley.media.files.folder_lock import locked_folder
from cinefoley.media.versions import ffmpeg_versions, joined_versions
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp

__all__ = [
    "SetTask",
    "begin_set",
    "claimed_set",
    "clip_seed",
    "describe_set",
    "fault_record",
    "make_set",
]

_log = logging.getLogger(__name__)

_LOCK = ".set.lock"
_FORMAT = 1  # raise when the same settings would give other windows or films


class SetTask(Protocol):
    """One clip that a set shall show."""

    @property
    def row(self) -> SplitRow:
        """Its line in the list."""
        ...


TaskT = TypeVar("TaskT", bound=SetTask)


def describe_set(
    variation: CloseUp | CameraMovement, seed: int, rows: Sequence[SplitRow], *, is_view: bool, clips: Path
) -> Record:
    """What makes one set another than the next.

    Args:
        variation: What is shown.
        seed: The set's seed.
        rows: The list, sorted by id.
        is_view: Whether there are windows only, and no films.
        clips: Where the clips are.
    """
    listed = json.dumps([asdict(row) for row in rows]).encode()
    return {
        "kind": "cinefoley test set",
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
    """Hold a set's folder from :func:`begin_set` to the end of :func:`make_set`.

    Raises:
        OutputError: If another run holds it, or it cannot be made.
    """
    return locked_folder(
        layout.folder,
        lock_name=_LOCK,
        refusal="is in use: another run builds a set there. Wait for it, or choose another folder with -o.",
    )


def begin_set(layout: SetLayout, settings: Record) -> Mapping[str, Record]:
    """Make the folder, or refuse it: it must be empty, or hold the same set.

    Args:
        layout: Where it is.
        settings: What :func:`describe_set` returned, and what else makes the set.

    Returns:
        What earlier runs have finished, by id.

    Raises:
        DataError: If the folder holds something else.
        OutputError: If it cannot be made.
    """
    try:
        (layout.folder if settings["is_view"] else layout.films).mkdir(parents=True, exist_ok=True)
        is_empty = all(path == layout.films or path.name == _LOCK for path in layout.folder.iterdir())
    except OSError as exc:
        raise OutputError(
            f"{layout.folder}: cannot be made ({exc.strerror}). Choose another with -o."
        ) from exc
    there = layout.read_settings()
    if there is None and not is_empty:
        raise DataError(
            f"{layout.folder}: holds other files and no test set. Choose an empty folder with -o."
        )
    changes = [
        f"{key} {there.get(key)} there, {value} asked for"
        for key, value in settings.items()
        if there is not None and key not in {"clips_folder", "versions"} and there.get(key) != value
    ]
    if changes:
        raise DataError(
            f"{layout.folder}: holds another test set ({'; '.join(changes)}). Choose another folder with -o."
        )
    _remove_leftovers(layout)
    write_json(layout.settings, settings | joined_versions(there, settings["versions"]))
    records = [*Journal(layout.manifest).read(), *Journal(layout.progress).read()]
    return {record["id"]: record for record in records if "id" in record}


def make_set(
    layout: SetLayout,
    tasks: Sequence[TaskT],
    make: Callable[[TaskT], tuple[Record, bool]],
    *,
    jobs: int,
    events_path: Path | None = None,
    on_clip: Callable[[int, int, str], None] | None = None,
) -> None:
    """Make every clip of a set, by several processes, and write manifest and ledger.

    Args:
        layout: Where it goes.
        tasks: The clips, sorted by id.
        make: From a clip to its line for the manifest or the ledger, and whether it is a new one.
        jobs: Processes at work.
        events_path: The events that belong to the list.
        on_clip: Called with finished clips, all clips, and an id, after each.

    Raises:
        DataError: If processes at work keep dying, or the events do not fit.
        OutputError: If the set cannot be written.
    """
    records = {}
    journal = Journal(layout.progress)
    engine = Engine(jobs=jobs if len(tasks) > 1 else 1)  # processes take seconds to start
    with journal.opened(), closing(run_tasks(make, tasks, engine)) as results:
        for done, (record, is_new) in enumerate(results, start=1):
            records[record["id"]] = record
            if is_new and "reason" not in record:
                journal.append(record)
            if on_clip is not None:
                on_clip(done, len(tasks), record["id"])
    _finish(layout, [records[task.row.id] for task in tasks], events_path)


def fault_record(clip_id: str, reason: str, message: str) -> Record:
    """A line of the ledger: ``missing`` or ``unreadable``, and what was found."""
    return {"id": clip_id, "reason": reason, "message": message}


def clip_seed(seed: int, clip_id: str) -> int:
    """The seed of one clip: from the set's seed and the clip's id, whatever else is in the list.

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


def _remove_leftovers(layout: SetLayout) -> None:
    """Halves of films, of runs or processes that were killed."""
    for leftover in layout.films.glob(".cinefoley-*.part"):
        leftover.unlink(missing_ok=True)


def _finish(layout: SetLayout, records: list[Record], events_path: Path | None) -> None:
    """Write manifest and ledger; what the films' folder holds beyond them was made for other rows."""
    _remove_leftovers(layout)
    clips = [record for record in records if "reason" not in record]
    events = iter(()) if events_path is None else records_in_windows(events_path, clips)
    first = next(events, None)
    if first is None:
        layout.events.unlink(missing_ok=True)
    else:
        write_records(layout.events, chain([first], events))
    write_records(layout.ledger, (record for record in records if "reason" in record))
    write_records(layout.manifest, clips)
    layout.progress.unlink(missing_ok=True)
    _log.info("%d clips, %d left out", len(clips), len(records) - len(clips))
