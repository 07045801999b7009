"""One shard, made whole by whichever worker it falls to, and its record."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from cinefoley.data.json_lines import Record, write_json
from cinefoley.data.shards.archive import ShardEntry, writing_shard
from cinefoley.data.shards.clip_encoder import EncodedClip, encode_clip
from cinefoley.data.shards.layout import ShardLayout, ShardSettings
from cinefoley.data.sources.clip_source import ClipFault
from cinefoley.data.sources.folder import FileClip
from cinefoley.data.sources.split_csv import SplitRow

__all__ = ["ShardPlan", "ShardReport", "read_record", "write_shard"]

_MOST_DEATHS = 3  # of processes over one clip, before it is stepped over


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """One shard that is to be made."""

    name: str
    """Without suffix."""
    layout: ShardLayout
    """Where it goes."""
    rows: tuple[tuple[SplitRow, FileClip], ...]
    """The list's rows, whether their films are there or not."""
    settings: ShardSettings
    """How clips are kept."""
    run: str
    """Tells the processes of one run from those of another."""

    @property
    def inputs(self) -> str:
        """SHA-256 over all that the shard depends on, films by name, size and time of change."""
        content = [self.settings.describe(), [_describe(row, clip) for row, clip in self.rows]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """What became of the rows of a shard."""

    name: str
    """Of the shard."""
    outcomes: Mapping[str, int]
    """How many are used, missing, ..."""


def write_shard(plan: ShardPlan) -> ShardReport:
    """Make a shard, or see that it is there.

    The shard appears before its record, and both appear whole: whenever the process dies, either both are
    there and right, or the shard will be made again. A clip over which processes keep dying is stepped over,
    and named in the ledger.

    Raises:
        OutputError: If it cannot be written.
        OSError: If the machine has run out of memory or of files.
    """
    inputs = plan.inputs  # before anything is read: a film that changes meanwhile is read again next time
    record = read_record(plan.layout, plan.name)
    if record is None or record["inputs"] != inputs:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums of a mel must not depend on how they are divided
        try:
            record = _make(plan, inputs)
        finally:
            torch.set_num_threads(threads)
    return ShardReport(name=plan.name, outcomes=Counter(line["outcome"] for line in record["rows"]))


def read_record(layout: ShardLayout, name: str) -> Record | None:
    """The record of a finished shard: ``inputs``, ``tar``, ``clips`` for the index, ``rows`` for the ledger.

    Returns:
        None where there is none, it is damaged, or the shard beside it is not as long as it says.
    """
    try:
        record = json.loads(layout.record(name).read_bytes())
        tar = record["tar"]
        if tar is not None and layout.tar(name).stat().st_size != tar["bytes"]:
            return None
        return record if {"inputs", "clips", "rows"} <= record.keys() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _make(plan: ShardPlan, inputs: str) -> Record:
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
        path.unlink()  # an empty archive is an error to most who read it
    tar = {"bytes": size, "sha256": digest} if entries else None
    record: Record = {"inputs": inputs, "tar": tar, "clips": [entry.to_record() for entry in entries]}
    record["rows"] = lines
    write_json(plan.layout.record(plan.name), record)
    attempt.end()
    return record


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
    film = None
    if clip.path is not None:
        with suppress(OSError):
            state = clip.path.stat()
            film = [clip.path.name, state.st_size, state.st_mtime_ns]
    events = None if clip.events is None else [asdict(event) for event in clip.events]
    return [row.id, row.start_s, row.label, row.split, list(clip.labels), events, film]


class _Attempt:
    """A note of the clip that is being read, which outlives the process.

    Only deaths in the same run count: a user who kills a whole run three times says nothing about a clip.
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
        with suppress(OSError):  # a full disk is told by the shard
            self._path.write_text(json.dumps(note))

    def end(self) -> None:
        with suppress(OSError):
            self._path.unlink()
