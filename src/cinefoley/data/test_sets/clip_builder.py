"""Building VGG-CU and VGG-CM, or the like of them, from any list of clips."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from cinefoley.data.events.event_file import event_file_beside
from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_lookup import ClipFolder, candidate_stems
from cinefoley.data.sources.clip_reader import fault_from
from cinefoley.data.sources.file_digests import file_sha256
from cinefoley.data.sources.split_csv import SplitRow, read_split
from cinefoley.data.test_sets.builder import (
    begin_set,
    claimed_set,
    clip_seed,
    describe_set,
    fault_record,
    make_set,
)
from cinefoley.data.test_sets.test_set import SetLayout, VariedSet, read_test_set
from cinefoley.errors import DataError, MediaWarning
from cinefoley.media.muxing.crop_video import cropped_video_suffix
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp
from cinefoley.variations.videos import draw_for_video, vary_video

__all__ = ["build_test_set"]


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

    Examples:
        >>> build_test_set("vggsound.csv", "vgg-cu", CloseUp(), split="test", jobs=8)  # doctest: +SKIP
    """
    if jobs == 0:
        raise ValueError("jobs must not be 0; -1 takes every core")
    source = Path(split_csv).parent if clips is None else Path(clips)
    rows = sorted(read_split(split_csv, split=split), key=lambda row: row.id)
    listed = {row.id for row in read_split(split_csv)}
    files = ClipFolder(source).find_all(rows, listed=listed)
    if not any(files.values()):
        raise DataError(
            f"{source}: holds none of the {len(rows)} clips of {Path(split_csv).name} (looked for names such "
            f"as {candidate_stems(rows[0])[0]}.mp4). Name the clips' folder with --data."
        )
    layout = SetLayout(Path(out))
    with claimed_set(layout):
        earlier = begin_set(layout, describe_set(variation, seed, rows, is_view=is_view, clips=source))
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
        make_set(
            layout,
            tasks,
            _make_clip,
            jobs=jobs,
            events_path=event_file_beside(Path(split_csv)),
            on_clip=on_clip,
        )
    return read_test_set(out, clips=source)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    row: SplitRow
    source: Path | None
    seed: int
    variation: CloseUp | CameraMovement
    films: Path | None
    earlier: Record | None


def _make_clip(task: _Task) -> tuple[Record, bool]:
    """Do one clip. Returns its line for the manifest or the ledger, and whether it is a new one."""
    if task.source is None:
        message = f"no file named {' or '.join(candidate_stems(task.row))} is there"
        return fault_record(task.row.id, "missing", message), True
    try:
        if task.earlier is not None and _still_holds(task, task.source, task.earlier):
            return task.earlier, False
        return _vary(task, task.source), True
    except Exception as exc:  # one clip is never the end of a set
        return fault_record(task.row.id, "unreadable", fault_from(exc, task.row.id).message), True


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
        window = draw_for_video(task.variation, source, generator=generator)
        if task.films is not None:
            film = task.films / (source.stem + cropped_video_suffix(source))
            vary_video(source, film, window)
            record |= {"film": film.name, "film_sha256": file_sha256(film)}
    told = [str(warning.message) for warning in caught if issubclass(warning.category, MediaWarning)]
    return record | {"window": window.to_dict(), "warnings": told}


def _still_holds(task: _Task, source: Path, record: Record) -> bool:
    """Whether what a record says was made, and of what, is still there."""
    if record["source"] != source.name or record["source_sha256"] != file_sha256(source):
        return False
    film = None if task.films is None else task.films / record["film"]
    return film is None or (film.is_file() and bool(file_sha256(film) == record["film_sha256"]))
