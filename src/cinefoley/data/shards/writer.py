"""Shard writer: one shard and its record, made by one worker."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cinefoley.data.json_lines import Record, write_json
from cinefoley.data.parallel import one_thread
from cinefoley.data.shards.archive import ShardEntry, writing_shard
from cinefoley.data.shards.clip_encoder import EncodedClip, encode_clip
from cinefoley.data.shards.layout import ShardLayout, ShardSettings
from cinefoley.data.sources.clip_source import ClipFault, events_as_json
from cinefoley.data.sources.folder import FileClip
from cinefoley.data.sources.split_csv import SplitRow

__all__ = ["ShardPlan", "read_record", "write_shard"]

_MOST_DEATHS = 3  # of processes while reading one clip, before it is skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """One shard to be written."""

    name: str
    """Without suffix."""
    layout: ShardLayout
    """Where it goes."""
    rows: tuple[tuple[SplitRow, FileClip], ...]
    """Rows of the split CSV, with existing and missing videos."""
    settings: ShardSettings
    """How clips are stored."""
    run: str
    """Id of the run; deaths of processes are counted within one run."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def inputs(self) -> str:
        """SHA-256 over all that the shard depends on; videos count by name, size and time of change."""
        content = [self.settings.describe(), [_describe(row, clip) for row, clip in self.rows]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def write_shard(plan: ShardPlan) -> int:
    """Write a shard, unless it exists and is up to date. Returns its number of rows.

    Shard and record are written atomically, the shard first. So whenever the process dies, either both are
    complete, or the shard is written again. A clip that repeatedly kills the process is skipped and named in
    the ledger.

    Raises:
        OutputError: If it cannot be written.
        OSError: If the machine runs out of memory or open files.
    """
    inputs = plan.inputs  # computed first: a video that changes meanwhile is read again by the next run
    record = read_record(plan.layout, plan.name)
    if record is None or record["inputs"] != inputs:
        with one_thread():
            _make(plan, inputs)
    return len(plan)


def read_record(layout: ShardLayout, name: str) -> Record | None:
    """The record of a finished shard: ``inputs``, ``tar``, ``clips`` for the index, ``rows`` for the ledger.

    Returns:
        None if there is none, it is damaged, or the size of the shard differs.
    """
    try:
        record = json.loads(layout.record(name).read_bytes())
        tar = record["tar"]
        if tar is not None and layout.tar(name).stat().st_size != tar["bytes"]:
            return None
        return record if {"inputs", "clips", "rows"} <= record.keys() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _make(plan: ShardPlan, inputs: str) -> None:
    attempt = _Attempt(plan.layout.attempts(plan.name), plan.run)
    entries: list[ShardEntry] = []
    lines: list[Record] = []
    path = plan.layout.tar(plan.name)
    with writing_shard(path, plan.name) as writer:
        for row, read in _read(plan, attempt):
            if isinstance(read, EncodedClip):
                entries.append(writer.add(read))
            lines.append(_line(row, read, plan.name))
        size, digest = writer.close()
    if not entries:
        path.unlink()  # most readers fail on an empty archive
    tar = {"bytes": size, "sha256": digest} if entries else None
    record: Record = {"inputs": inputs, "tar": tar, "clips": [entry.to_record() for entry in entries]}
    record["rows"] = lines
    write_json(plan.layout.record(plan.name), record)
    attempt.end()


def _read(plan: ShardPlan, attempt: "_Attempt") -> Iterator[tuple[SplitRow, EncodedClip | ClipFault]]:
    for row, clip in plan.rows:
        if attempt.deaths(clip.id) >= _MOST_DEATHS:
            message = f"{clip.id}: reading it has ended {_MOST_DEATHS} processes, and was not tried again"
            yield row, ClipFault(reason="unreadable", message=message)
        else:
            attempt.at(clip.id)
            yield row, encode_clip(clip, row, plan.settings)


def _line(row: SplitRow, read: EncodedClip | ClipFault, shard: str) -> Record:
    line = {"id": row.id, "start_s": row.start_s, "label": row.label, "split": row.split}
    if isinstance(read, EncodedClip):
        return line | {"outcome": "used", "message": None, "shard": shard}
    return line | {"outcome": read.reason, "message": read.message, "shard": None}


def _describe(row: SplitRow, clip: FileClip) -> Sequence[object]:
    video = None
    if clip.path is not None:
        with suppress(OSError):
            state = clip.path.stat()
            video = [clip.path.name, state.st_size, state.st_mtime_ns]
    return [row.id, row.start_s, row.label, row.split, list(clip.labels), events_as_json(clip.events), video]


class _Attempt:
    """A file that names the clip being read, and remains if the process dies.

    Only deaths in the same run count: killing the whole run three times must not skip a clip.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._path, self._run = path, run
        self._deaths: Counter[str] = Counter()
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            left = json.loads(path.read_bytes())
            if left["run"] == run:
                self._deaths.update(left["deaths"])
                self._deaths[left["clip"]] += 1

    def deaths(self, clip_id: str) -> int:
        return self._deaths[clip_id]

    def at(self, clip_id: str) -> None:
        note = {"run": self._run, "pid": os.getpid(), "clip": clip_id, "deaths": dict(self._deaths)}
        with suppress(OSError):  # writing the shard reports a full disk
            self._path.write_text(json.dumps(note))

    def end(self) -> None:
        with suppress(OSError):
            self._path.unlink()
