"""Clip source of a --data argument: the stage, a stage export, shards, or a folder of videos."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from cinefoley.data.events.event_file import event_file_beside, read_annotations
from cinefoley.data.shards.layout import ShardLayout
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.data.sources.folder import FolderSource, exported_splits, find_export
from cinefoley.data.sources.stage import KIND_NAMES, StageSource
from cinefoley.errors import DataError
from cinefoley.stage.generator import Split
from cinefoley.stage.version import StageVersion

__all__ = ["STAGES", "has_splits", "is_stage", "open_clip_source", "read_labels"]

STAGES: dict[str, StageVersion | None] = {
    "stage": None,
    "stage-plain": "plain",
    "stage-filmed": "filmed",
}
"""The names of the stage, without a split."""


def open_clip_source(
    data: str,
    *,
    csv: Path | None = None,
    split: str | None = None,
    label_names: Sequence[str] | None = None,
    count: int | None = None,
    duration_s: float = 10.0,
) -> ClipSource:
    """Open the clip source that a ``--data`` argument names.

    Args:
        data: ``"stage"`` or ``"stage:train"`` for the stage, rendered on the fly, ``"stage-filmed"`` or
            ``"stage-plain"`` for one of its versions; otherwise a folder: an export of ``cinefoley stage
            export``, shards of ``cinefoley data prepare``, or any other videos.
        csv: Split CSV of a folder's clips; shards and exports have their own.
        split: ``"train"`` if None. All clips are used of a split CSV without splits.
        label_names: The labels that a split CSV may have.
        count: Clips of the stage, 4096 if None; the first clips of a folder, all if None.
        duration_s: Length of a stage clip, in seconds.

    Raises:
        DataError: If there is no such source, or arguments do not fit it.
    """
    name, _, of_stage = data.partition(":")
    if name in STAGES:
        return _open_stage(of_stage, csv, split, label_names, count or 4096, duration_s, STAGES[name])
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"{data}: is neither the stage (stage, stage:train, ...) nor a folder. Name one with --data."
        )
    chosen = split or "train"
    if ShardLayout.find(folder) is not None:
        return _open_shards(folder, csv, chosen, label_names, count)
    export = find_export(folder, chosen) if csv is None else None
    if csv is None and export is None:
        _check_all_videos_are_meant(folder, split, chosen)
    rows, events = export or (csv, None if csv is None else event_file_beside(csv))
    source = FolderSource(
        folder,
        csv=rows,
        split=chosen,
        label_names=label_names,
        events=None if events is None else read_annotations(events),
    )
    if export is not None and label_names is None and set(source.label_names) <= set(KIND_NAMES):
        source.label_names = KIND_NAMES  # numbered the same way in every export, however few it shows
    return source if count is None else source.first(count)


def find_event_file(data: str, csv: Path | None = None, *, split: str) -> Path | None:
    """The event file of a folder's clips; None if it has none, and for the stage.

    Args:
        data: As for :func:`open_clip_source`.
        csv: As for :func:`open_clip_source`.
        split: Of an export.
    """
    folder = Path(data).expanduser()
    if is_stage(data) or ShardLayout.find(folder) is not None:
        return None
    if csv is not None:
        return event_file_beside(csv)
    export = find_export(folder, split)
    return None if export is None else export[1]


def is_stage(data: str) -> bool:
    """Whether a ``--data`` argument names the stage, in any version, with or without a split."""
    return data.partition(":")[0] in STAGES


def has_splits(data: str, csv: Path | None = None) -> bool:
    """Whether a source has separate clips for training and for testing.

    Args:
        data: As for :func:`open_clip_source`.
        csv: As for :func:`open_clip_source`.

    Raises:
        DataError: If it is a folder of shards that are unfinished or damaged.
    """
    if is_stage(data) or csv is not None:
        return True
    folder = Path(data).expanduser()
    if ShardLayout.find(folder) is not None:
        return any(entry.split for entry in ShardSource(folder).rows)
    return folder.is_dir() and all(find_export(folder, split) for split in ("train", "test"))


def read_labels(path: Path) -> tuple[str, ...]:
    """Read labels, one per line.

    Raises:
        DataError: If it cannot be read, is empty, or has a label twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"{path}: cannot be read ({exc}). Expected one label per line.") from exc
    labels = [line.strip() for line in lines if line.strip()]
    if not labels:
        raise DataError(f"{path}: holds no label; expected one per line.")
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise DataError(f"{path}: has the label {twice[0]!r} twice.")
    return tuple(labels)


def _check_all_videos_are_meant(folder: Path, split: str | None, chosen: str) -> None:
    if split is not None:
        raise DataError(f"{folder}: --split {split} needs a split CSV with splits; name it with --csv.")
    others = exported_splits(folder)
    if others:  # perhaps test clips, which must not be trained on
        raise DataError(
            f"{folder}: holds an export of the split {', '.join(others)} and none of {chosen}. "
            "Name one of these with --split."
        )


def _open_shards(
    folder: Path, csv: Path | None, split: str, label_names: Sequence[str] | None, count: int | None
) -> ShardSource:
    if csv is not None:
        raise DataError(
            f"{folder}: shards have their own split CSV: omit --csv, or name the folder of the videos."
        )
    source = ShardSource(folder, split=split, label_names=label_names)
    return source if count is None else source.first(count)


def _open_stage(
    of_stage: str,
    csv: Path | None,
    split: str | None,
    label_names: Sequence[str] | None,
    count: int,
    duration_s: float,
    version: StageVersion | None,
) -> StageSource:
    if csv is not None or label_names is not None:
        raise DataError("The stage has its own clips and labels: --csv and labels are for a folder of clips.")
    if of_stage and split not in (None, of_stage):
        raise DataError(f"stage:{of_stage} and --split {split} ask for two splits; name one.")
    chosen = of_stage or split or "train"
    for known in get_args(Split):
        if chosen == known:
            return StageSource(known, count, duration_s=duration_s, version=version)
    raise DataError(f"The stage has no split {chosen!r}; it has {', '.join(get_args(Split))}.")
