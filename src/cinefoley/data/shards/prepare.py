"""Prepare shards: all clips of a split CSV, on one machine or many, with a ledger of every row."""

import hashlib
import json
import logging
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from cinefoley import __version__
from cinefoley.data.events.event_file import event_file_beside, read_annotations
from cinefoley.data.json_lines import Record, write_json, write_records
from cinefoley.data.parallel import Engine, run_missing
from cinefoley.data.shards.layout import ShardLayout, ShardSettings
from cinefoley.data.shards.writer import ShardPlan, read_record, write_shard
from cinefoley.data.sources.folder import FileClip, FolderSource
from cinefoley.data.sources.split_csv import SplitRow, read_split
from cinefoley.errors import DataError, OutputError
from cinefoley.media.files.folder_lock import locked_folder
from cinefoley.media.versions import ffmpeg_versions, joined_versions

__all__ = ["PreparedShards", "prepare_shards"]

_log = logging.getLogger(__name__)

_NO_SPLIT = "clips"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedShards:
    """Totals of a finished run."""

    folder: Path
    """Folder of the shards."""
    totals: dict[str, int]
    """Rows by outcome: ``used``, ``missing``, ``mute``, ..."""
    num_rows: int
    """Rows of the split CSV."""
    num_shards: int
    """Shards that hold a clip."""
    num_bytes: int
    """Bytes of all shards."""
    num_made: int
    """Shards that this run made; the others existed."""

    @property
    def num_clips(self) -> int:
        """Clips that are stored."""
        return self.totals.get("used", 0)


def prepare_shards(
    clips: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    csv: str | os.PathLike[str] | None = None,
    split: str | None = None,
    label_names: Sequence[str] | None = None,
    settings: ShardSettings | None = None,
    engine: Engine | None = None,
    on_rows: Callable[[int, int], None] | None = None,
) -> PreparedShards:
    """Decode every clip of a split CSV once, into WebDataset shards for training.

    Rows are assigned to shards by their place in the split CSV, separately for each split, so shards are
    the same bytes for any number of workers and any engine. An interrupted run resumes with the unfinished
    shards; the shard of a video that was added, removed or changed is made again.

    Args:
        clips: Folder of the videos.
        out: Folder of the shards; made if it is missing.
        csv: Split CSV, as :func:`read_split` reads it; None uses every video of the folder, without labels.
            Events of its event file (``NAME.events.jsonl``) are stored too.
        split: Only rows of this split, if the split CSV names splits.
        label_names: The labels that may occur; None means those of the split CSV, sorted.
        settings: What is stored of a clip.
        engine: Where tasks run.
        on_rows: Called with finished and all rows, after each shard.

    Returns:
        Totals. :class:`~cinefoley.data.shards.source.ShardSource` reads the shards.

    Raises:
        DataError: If split CSV or videos cannot be used, ``out`` holds something else, or workers keep dying.
        OutputError: If ``out`` cannot be written; finished shards stay.

    Examples:
        >>> prepare_shards("vggsound", "shards", csv="vggsound.csv")  # doctest: +SKIP
    """
    settings, engine = settings or ShardSettings(), engine or Engine()
    rows, names = _list_rows(Path(clips), None if csv is None else Path(csv), split, label_names)
    layout = ShardLayout(Path(out))
    refusal = "is in use: another run is preparing clips there. Wait for it, or choose another --out."
    with locked_folder(layout.folder, lock_name=".prepare.lock", refusal=refusal):
        about = _begin(layout, settings, rows, names)
        plans = list(_plan(layout, settings, rows))
        made = _make_missing(plans, layout, engine, on_rows)
        return _finish(layout, about, [plan.name for plan in plans], num_made=made)


def _list_rows(
    clips: Path, csv: Path | None, split: str | None, label_names: Sequence[str] | None
) -> tuple[list[tuple[SplitRow, FileClip]], tuple[str, ...]]:
    """Every row with its video, and all labels."""
    if csv is None:
        source = FolderSource(clips, label_names=label_names)
        return [(SplitRow(id=clip.id), clip) for clip in map(source.__getitem__, range(len(source)))], ()
    beside = event_file_beside(csv)
    events = None if beside is None else read_annotations(beside)
    source = FolderSource(clips, csv=csv, split=split, label_names=label_names, events=events)
    by_id = {row.id: row for row in read_split(csv)}
    listed = [(by_id[clip.id], clip) for clip in map(source.__getitem__, range(len(source)))]
    return listed, source.label_names


def _begin(
    layout: ShardLayout,
    settings: ShardSettings,
    rows: Sequence[tuple[SplitRow, FileClip]],
    names: tuple[str, ...],
) -> Record:
    """Make the folder; it must be empty, or hold shards of the same split CSV and settings."""
    listed = json.dumps([asdict(row) for row, _ in rows]).encode()
    wanted = ShardLayout.new_about(
        settings,
        {
            "num_rows": len(rows),
            "list_sha256": hashlib.sha256(listed).hexdigest(),
            "label_names": list(names),
        },
    )
    there = layout.read_about()
    if there is None and any(not path.name.startswith(".") for path in layout.folder.iterdir()):
        raise DataError(
            f"{layout.folder}: holds other files and no shards. Choose an empty folder with --out."
        )
    if there is not None:
        _check_same(layout.folder, there, wanted)
    try:
        layout.shards.mkdir(exist_ok=True)
    except OSError as exc:
        raise OutputError(
            f"{layout.shards}: cannot be made ({exc.strerror}). Choose another with --out."
        ) from exc
    _remove_leftovers(layout)
    layout.index.unlink(missing_ok=True)  # it is written when all shards are finished
    wanted |= joined_versions(there, {"cinefoley": __version__, **ffmpeg_versions()})
    write_json(layout.about, wanted)
    return wanted


def _check_same(folder: Path, existing: Record, wanted: Record) -> None:
    changes = [
        f"{key} is {existing['settings'].get(key)}, requested {value}"
        for key, value in wanted["settings"].items()
        if existing["settings"].get(key) != value
    ]
    if existing["list_sha256"] != wanted["list_sha256"]:
        changes.append(f"a split CSV of {existing['num_rows']} rows, requested one of {wanted['num_rows']}")
    if existing["label_names"] != wanted["label_names"]:
        changes.append("other labels")
    if changes:
        raise DataError(
            f"{folder}: holds shards with other settings ({'; '.join(changes)}). "
            "Choose another folder with --out."
        )


def _remove_leftovers(layout: ShardLayout) -> None:
    for leftover in layout.shards.glob(".cinefoley-*.part"):  # of processes that were killed
        leftover.unlink(missing_ok=True)


def _plan(
    layout: ShardLayout, settings: ShardSettings, rows: Sequence[tuple[SplitRow, FileClip]]
) -> Iterator[ShardPlan]:
    by_split: dict[str, list[tuple[SplitRow, FileClip]]] = {}
    for row, clip in rows:
        by_split.setdefault(row.split, []).append((row, clip))
    run = secrets.token_hex(8)
    for split, own in by_split.items():
        for number, start in enumerate(range(0, len(own), settings.clips_per_shard)):
            yield ShardPlan(
                name=f"{_file_name(split)}-{number:06d}",
                layout=layout,
                rows=tuple(own[start : start + settings.clips_per_shard]),
                settings=settings,
                run=run,
            )


def _file_name(split: str) -> str:
    """``clips`` without a split; a split of that name becomes ``%63lips``."""
    if split == _NO_SPLIT:
        return f"%{ord(split[0]):x}{split[1:]}"
    return quote(split, safe="") or _NO_SPLIT


def _make_missing(
    plans: Sequence[ShardPlan],
    layout: ShardLayout,
    engine: Engine,
    on_rows: Callable[[int, int], None] | None,
) -> int:
    missing = [plan for plan in plans if not _is_finished(plan)]
    try:
        run_missing(
            write_shard,
            missing,
            engine,
            total=sum(map(len, plans)),
            stored_in=f"rows are finished and stored in {layout.folder}",
            on_done=on_rows,
        )
    finally:
        if engine.name == "processes":  # they have ended, and may have left partial files
            _remove_leftovers(layout)
    return len(missing)


def _is_finished(plan: ShardPlan) -> bool:
    record = read_record(plan.layout, plan.name)
    return record is not None and record["inputs"] == plan.inputs


def _finish(layout: ShardLayout, about: Record, names: Sequence[str], *, num_made: int) -> PreparedShards:
    """Join the records into ledger and index, shard by shard, so that 200,000 rows are never in memory."""
    totals: Counter[str] = Counter()
    sizes: list[int] = []

    def lines_of_ledger() -> Iterator[Record]:
        for name in names:
            for line in _record(layout, name)["rows"]:
                totals[line["outcome"]] += 1
                yield line

    def lines_of_index() -> Iterator[Record]:
        for name in names:
            record = _record(layout, name)
            if record["tar"] is not None:
                sizes.append(record["tar"]["bytes"])
            yield from record["clips"]

    write_records(layout.ledger, lines_of_ledger())
    write_records(layout.index, lines_of_index())
    prepared = PreparedShards(
        folder=layout.folder,
        totals=dict(sorted(totals.items())),
        num_rows=totals.total(),
        num_shards=len(sizes),
        num_bytes=sum(sizes),
        num_made=num_made,
    )
    counts = {"num_shards": len(sizes), "num_bytes": sum(sizes), "totals": prepared.totals}
    write_json(layout.about, about | counts)
    _log.info("%d of %d rows used, %d shards", prepared.num_clips, prepared.num_rows, len(sizes))
    return prepared


def _record(layout: ShardLayout, name: str) -> Record:
    record = read_record(layout, name)
    if record is None:
        raise DataError(f"{layout.tar(name)}: has disappeared or cannot be read. Run again.")
    return record
