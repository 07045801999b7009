"""Building VGG-CU and VGG-CM, or the like of them, from shards: clips are read where they lie."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from cinefoley.data.cache.extracted_shards import write_shard_video
from cinefoley.data.json_lines import Record
from cinefoley.data.shards.source import ShardClip, ShardSource
from cinefoley.data.sources.clip_reader import fault_from
from cinefoley.data.sources.file_digests import file_sha256
from cinefoley.data.sources.split_csv import SplitRow
from cinefoley.data.test_sets.builder import (
    begin_set,
    claimed_set,
    clip_seed,
    describe_set,
    fault_record,
    make_set,
)
from cinefoley.data.test_sets.test_set import SetLayout, VariedSet, read_test_set
from cinefoley.errors import MediaError
from cinefoley.media.frames.jpeg import decode_jpeg
from cinefoley.media.muxing.crop_video import crop_video
from cinefoley.media.sections import as_fraction
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp
from cinefoley.variations.window import Box, Window

__all__ = ["build_shard_set"]


def build_shard_set(
    source: ShardSource,
    out: str | os.PathLike[str],
    variation: CloseUp | CameraMovement,
    *,
    seed: int = 0,
    jobs: int = 1,
    is_view: bool = False,
    on_clip: Callable[[int, int, str], None] | None = None,
) -> VariedSet:
    """Build a test set from shards, as :func:`~cinefoley.data.test_sets.clip_builder.build_test_set` does.

    Windows are those of a set that is built of the films with the same seed. Films of them have the rate of
    the pictures that shards keep, and their sound without loss.

    Args:
        source: The clips.
        out: Folder of the set; made where it is not there.
        variation: What to show.
        seed: The set's seed.
        jobs: Processes at work.
        is_view: Whether to record the windows only, and make no films.
        on_clip: Called with finished clips, all clips, and an id, after each.

    Returns:
        The finished set.

    Raises:
        DataError: If ``out`` holds another set, or processes at work keep dying.
        MediaError: If a shard is gone or damaged.
        OutputError: If ``out`` cannot be written.
        ValueError: If ``jobs`` is 0.

    Examples:
        >>> build_shard_set(ShardSource("shards", split="test"), "vgg-cu", CloseUp())  # doctest: +SKIP
    """
    if jobs == 0:
        raise ValueError("jobs must not be 0; -1 takes every core")
    clips = {clip.id: clip for clip in map(source.__getitem__, range(len(source)))}
    rows = [_row(clips[name]) for name in sorted(clips)]
    layout = SetLayout(Path(out))
    settings = describe_set(variation, seed, rows, is_view=is_view, clips=source.folder)
    with claimed_set(layout):
        earlier = begin_set(layout, settings | {"are_shards": True})
        tasks = [
            _Task(
                row=row,
                clip=clips[row.id],
                seed=clip_seed(seed, row.id),
                variation=variation,
                films=None if is_view else layout.films,
                earlier=earlier.get(row.id),
            )
            for row in rows
        ]
        make_set(layout, tasks, _make_clip, jobs=jobs, on_clip=on_clip)
    return read_test_set(out, clips=source.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    row: SplitRow
    clip: ShardClip
    seed: int
    variation: CloseUp | CameraMovement
    films: Path | None
    earlier: Record | None


def _row(clip: ShardClip) -> SplitRow:
    label = clip.labels[0] if clip.labels else ""
    return SplitRow(id=clip.id, start_s=float(clip.about()["start_s"]), label=label, split=clip.entry.split)


def _make_clip(task: _Task) -> tuple[Record, bool]:
    """Do one clip. Returns its line for the manifest or the ledger, and whether it is a new one."""
    try:
        if task.earlier is not None and _still_holds(task, task.earlier):
            return task.earlier, False
        return _vary(task), True
    except Exception as exc:  # one clip is never the end of a set
        return fault_record(task.row.id, "unreadable", fault_from(exc, task.row.id).message), True


def _vary(task: _Task) -> Record:
    about, clip = task.clip.about(), task.clip
    record: Record = {
        "id": task.row.id,
        "start_s": task.row.start_s,
        "label": task.row.label,
        "split": task.row.split,
        "seed": task.seed,
        "source": about["source"],
        "source_sha256": about["source_sha256"],
        "clip_sha256": clip.entry.digest,
        "film": None,
        "film_sha256": None,
    }
    window = _draw(task)
    if task.films is not None:
        film = task.films / f"{Path(about['source']).stem}.mkv"
        _write(clip, window, film)
        record |= {"film": film.name, "film_sha256": file_sha256(film)}
    return record | {"window": window.to_dict(), "warnings": []}


def _write(clip: ShardClip, window: Window, path: Path) -> None:
    """A film cut out of one that is gone afterwards, for cutting keeps the planes of colour as they are."""
    for still in clip.jpegs():
        decode_jpeg(still, name=clip.id)  # a film's reader would pass over a damaged one without a word
    box_of, last = clip.follow(window), clip.entry.num_frames - 1

    def crop(time: Fraction, size: tuple[int, int]) -> Box:
        return box_of(min(last, round(time * as_fraction(clip.fps))), size)

    with TemporaryDirectory() as folder:
        whole = Path(folder) / "clip.mkv"
        write_shard_video(clip, whole)
        crop_video(whole, path, crop)


def _draw(task: _Task) -> Window:
    """On even pixels, because films share colour among 2x2."""
    size, count = task.clip.frame_size(), task.clip.entry.num_frames
    if min(size) < 2:
        raise MediaError(f"{task.row.id}: {size[1]}x{size[0]} pixels hold no window; 2x2 are the least.")
    generator = torch.Generator().manual_seed(task.seed)
    window = task.variation.draw(size, generator=generator).on(size, multiple=2)
    if window.is_moving and count < 2:
        raise MediaError(f"{task.row.id}: holds one frame only; a camera movement needs two at least.")
    return window


def _still_holds(task: _Task, record: Record) -> bool:
    """Whether what a record says was made, and of what, is still there."""
    if record.get("clip_sha256") != task.clip.entry.digest:
        return False
    if task.films is None:
        return True
    film = task.films / str(record["film"])
    return film.is_file() and bool(file_sha256(film) == record["film_sha256"])
