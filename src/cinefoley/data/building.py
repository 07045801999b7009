"""Building VGG-CU and VGG-CM, or the like of them, from any list of clips."""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from cinefoley import __version__
from cinefoley.data.clip_files import ClipFolder, candidate_stems
from cinefoley.data.engines import Engine, run_tasks
from cinefoley.data.records import Journal, Record, file_sha256, write_json, write_records
from cinefoley.data.split_csv import SplitRow, read_split
from cinefoley.data.test_sets import SetLayout, VariedSet, read_test_set
from cinefoley.data.varied_films import describe_variation
from cinefoley.data.view_events import events_beside, view_events
from cinefoley.errors import DataError, MediaError, MediaWarning, OutputError
from cinefoley.media.cropping import cropped_film_suffix
from cinefoley.media.versions import ffmpeg_versions
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp
from cinefoley.variations.films import draw_for_film, vary_film

__all__ = ["build_test_set", "clip_seed"]

_log = logging.getLogger(__name__)

_FORMAT = 1  # raise when the same settings would give other windows or films


def build_test_set(
    split_csv: str | os.PathLike[str],
    out: str | os.PathLike[str],
    variation: CloseUp | CameraMovement,
    *,
    clips: str | os.PathLike[str] | None = None,
    split: str | None = None,
    seed: int = 0,
    jobs: int = 1,
    is_view: bool = False,
    on_clip: Callable[[int, int, str], None] | None = None,
) -> VariedSet:
    """Show every clip of a list with one variation, as films or as a view.

    The window of a clip depends on ``seed`` and on the clip's id, never on its place in the list or on the
    other clips; manifest and films are the same bytes for any number of jobs. A run that was stopped goes on
    where it was: what a record says is done, and whose digests still hold, is not done again. Clips that are
    missing or cannot be read are named in the ledger, and looked for again by the next run.

    Where the list has its events beside it (``test.events.jsonl`` beside ``test.csv``, as ``cinefoley stage
    export`` leaves them), the set gets ``events.jsonl``: what each window shows of them.

    Args:
        split_csv: VGGSound's list, or another that :func:`read_split` reads.
        out: The set's folder; made where it is not there.
        variation: What to show.
        clips: Folder of the clips; None looks beside the list.
        split: Keep only rows of this split.
        seed: The set's seed.
        jobs: Processes at work; each encodes with one thread.
        is_view: Whether to record the windows only, and make no films.
        on_clip: Called with finished clips, all clips, and an id, after each.

    Returns:
        The finished set.

    Raises:
        DataError: If the list or the clips' folder cannot be used, ``out`` holds another set, or processes
            at work keep dying.
        OutputError: If ``out`` cannot be written.
        ValueError: If ``jobs`` is 0.

    Example:
        >>> build_test_set("vggsound.csv", "vgg-cu", CloseUp(), split="test", jobs=8)  # doctest: +SKIP
    """
    if jobs == 0:
        raise ValueError("jobs must not be 0; -1 takes every core")
    source = Path(split_csv).parent if clips is None else Path(clips)
    rows = sorted(read_split(split_csv, split=split), key=lambda row: row.id)
    files = ClipFolder(source).find_all(rows)
    if not any(files.values()):
        raise DataError(
            f"{source}: holds none of the {len(rows)} clips of {Path(split_csv).name} (looked for names such "
            f"as {candidate_stems(rows[0])[0]}.mp4). Name the clips' folder with --clips."
        )
    layout = SetLayout(Path(out))
    settings = _settings(variation, seed, rows, is_view=is_view) | {
        "clips_folder": str(source.absolute()),
        "versions": {"cinefoley": __version__, "torch": torch.__version__, **ffmpeg_versions()},
    }
    _begin(layout, settings, is_view=is_view)
    earlier = _earlier_records(layout)
    tasks = [
        _Task(
            row=row,
            source=files[row.id],
            seed=clip_seed(seed, row.id),
            variation=variation,
            films=None if is_view else layout.films,
            earlier=earlier.get(row.id),
        )
        for row in rows
    ]
    records = {}
    journal = Journal(layout.progress)
    engine = Engine(jobs=jobs if len(tasks) > 1 else 1)  # processes take seconds to start
    with journal.opened(), closing(run_tasks(_make_clip, tasks, engine)) as results:
        for done, (record, is_new) in enumerate(results, start=1):
            records[record["id"]] = record
            if is_new and "reason" not in record:
                journal.append(record)
            if on_clip is not None:
                on_clip(done, len(tasks), record["id"])
    _finish(layout, [records[row.id] for row in rows], events_beside(Path(split_csv)))
    return read_test_set(out, clips=source)


def clip_seed(seed: int, clip_id: str) -> int:
    """The seed of one clip: from the set's seed and the clip's id, whatever else is in the list.

    The variation does not enter, so the window of a clip is as large in a set of close-ups as in one of
    camera movements with the same seed.

    Args:
        seed: The set's seed.
        clip_id: The clip's id.

    Returns:
        The first 32 bits of a SHA-256; PyTorch's generator on the CPU uses no more.

    Example:
        >>> clip_seed(0, "--0PQM4-hqg")
        2685398627
    """
    return int.from_bytes(hashlib.sha256(f"cinefoley vary/{seed}/{clip_id}".encode()).digest()[:4])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    row: SplitRow
    source: Path | None
    seed: int
    variation: CloseUp | CameraMovement
    films: Path | None
    earlier: Record | None


def _settings(
    variation: CloseUp | CameraMovement, seed: int, rows: list[SplitRow], *, is_view: bool
) -> Record:
    """What makes one set another than the next."""
    listed = json.dumps([asdict(row) for row in rows]).encode()
    return {
        "kind": "cinefoley test set",
        "format": _FORMAT,
        **describe_variation(variation),
        "seed": seed,
        "is_view": is_view,
        "num_listed": len(rows),
        "list_sha256": hashlib.sha256(listed).hexdigest(),
    }


def _begin(layout: SetLayout, settings: Record, *, is_view: bool) -> None:
    """Make the folder, or refuse it: it must be empty, or hold the same set."""
    try:
        (layout.folder if is_view else layout.films).mkdir(parents=True, exist_ok=True)
        is_empty = all(path == layout.films for path in layout.folder.iterdir())
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
    for leftover in layout.films.glob(".cinefoley-*.part"):  # of a run that was killed
        leftover.unlink(missing_ok=True)
    write_json(layout.settings, settings)


def _earlier_records(layout: SetLayout) -> Mapping[str, Record]:
    """What earlier runs have finished, by id."""
    records = [*Journal(layout.manifest).read(), *Journal(layout.progress).read()]
    return {record["id"]: record for record in records if "id" in record}


def _make_clip(task: _Task) -> tuple[Record, bool]:
    """Do one clip. Returns its line for the manifest or the ledger, and whether it is a new one."""
    if task.source is None:
        return _fault(
            task, "missing", f"no file named {' or '.join(candidate_stems(task.row))} is there"
        ), True
    try:
        if task.earlier is not None and _still_holds(task, task.source, task.earlier):
            return task.earlier, False
        return _vary(task, task.source), True
    except MediaError as exc:
        return _fault(task, "unreadable", str(exc)), True


def _vary(task: _Task, source: Path) -> Record:
    record: Record = {
        "id": task.row.id,
        "start_s": task.row.start_s,
        "label": task.row.label,
        "split": task.row.split,
        "seed": task.seed,
        "source": source.name,
        "source_sha256": file_sha256(source),
        "film": None,
        "film_sha256": None,
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MediaWarning)
        generator = torch.Generator().manual_seed(task.seed)
        window = draw_for_film(task.variation, source, generator=generator)
        if task.films is not None:
            film = task.films / (source.stem + cropped_film_suffix(source))
            vary_film(source, film, window)
            record |= {"film": film.name, "film_sha256": file_sha256(film)}
    told = [str(warning.message) for warning in caught if issubclass(warning.category, MediaWarning)]
    return record | {"window": window.to_dict(), "warnings": told}


def _still_holds(task: _Task, source: Path, record: Record) -> bool:
    """Whether what a record says was made, and of what, is still there."""
    if record["source"] != source.name or record["source_sha256"] != file_sha256(source):
        return False
    film = None if task.films is None else task.films / record["film"]
    return film is None or (film.is_file() and bool(file_sha256(film) == record["film_sha256"]))


def _fault(task: _Task, reason: str, message: str) -> Record:
    return {"id": task.row.id, "reason": reason, "message": message}


def _finish(layout: SetLayout, records: list[Record], events_path: Path | None) -> None:
    """Write manifest and ledger; what the films' folder holds beyond them was made for other rows."""
    clips = [record for record in records if "reason" not in record]
    if events_path is None:
        layout.events.unlink(missing_ok=True)
    else:
        write_records(layout.events, view_events(events_path, clips))
    write_records(layout.ledger, (record for record in records if "reason" in record))
    write_records(layout.manifest, clips)
    layout.progress.unlink(missing_ok=True)
    _log.info("%d clips, %d left out", len(clips), len(records) - len(clips))
