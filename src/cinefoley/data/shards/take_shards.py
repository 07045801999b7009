"""Shards of takes: generated sounds, mels and records in tar files, addressed by paths inside them.

A sound has the path ``shards/takes-000000.tar/dog.take1.flac``: the path of the shard, and the member's name.
Functions that read sounds take such a path wherever they take that of a file.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.data.json_lines import Record, read_about, read_records
from cinefoley.data.shards.archive import escaped_key
from cinefoley.data.shards.layout import ShardFolder
from cinefoley.errors import DataError, MediaError
from cinefoley.media.audio.flac import decode_flac
from cinefoley.media.audio.reader import resample_blocks

__all__ = [
    "TakeShardLayout",
    "is_in_shard",
    "read_shard_audio",
    "read_shard_mel",
    "read_shard_member",
    "read_shard_record",
    "take_sounds",
]

_KIND = "cinefoley take shards"


@dataclass(frozen=True, slots=True)
class TakeShardLayout(ShardFolder):
    """The files of a folder of take shards."""

    @property
    def about(self) -> Path:
        """Settings and model of the takes, and the digest of the videos' list."""
        return self.folder / "takes.json"

    @property
    def ledger(self) -> Path:
        """A line for each video: ``made``, or ``skipped`` and why; written when all shards are finished."""
        return self.folder / "ledger.jsonl"

    def read_about(self) -> Record | None:
        """What ``takes.json`` holds; None if there is no such file.

        Raises:
            DataError: If the file is damaged, or of something else.
        """
        return read_about(self.about, kind=_KIND, hint="Generate the takes again.")

    @staticmethod
    def new_about(more: Record) -> Record:
        """What to write to :attr:`about`, for :meth:`read_about` to read."""
        return {"kind": _KIND, **more}


def take_sounds(folder: Path) -> dict[str, Path] | None:
    """Paths of the sounds in a folder of take shards by name, such as ``dog.take1``; None for another folder.

    Raises:
        DataError: If the shards are unfinished, a record is damaged, or a name occurs twice.
    """
    layout = TakeShardLayout(folder)
    about = layout.read_about()
    if about is None:
        return None
    if not layout.ledger.exists():
        raise DataError(f"{folder}: the takes are unfinished. Run the same `cinefoley generate` again.")
    found: dict[str, Path] = {}
    for name in _shard_names(layout):
        record = read_shard_record(layout, name)
        if record is None:
            raise DataError(f"{layout.tar(name)}: is missing, damaged or has no record. Generate it again.")
        for clip in record["clips"]:
            for take in clip["takes"]:
                stem = f"{clip['name']}.take{take}"
                if stem in found:
                    raise DataError(f"{folder}: holds two sounds of the name {stem}.")
                found[stem] = layout.tar(name) / f"{escaped_key(clip['name'])}.take{take}.flac"
    return found


def read_shard_record(layout: TakeShardLayout, name: str) -> Record | None:
    """The record of a finished shard: ``inputs``, ``tar``, ``members``, ``clips``, ``rows`` for the ledger.

    Returns:
        None if there is none, it is damaged, or the size of the shard differs.
    """
    try:
        record: Record = json.loads(layout.record(name).read_bytes())
        tar = record["tar"]
        if tar is not None and layout.tar(name).stat().st_size != tar["bytes"]:
            return None
        return record if {"inputs", "members", "clips", "rows"} <= record.keys() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def is_in_shard(path: Path) -> bool:
    """Whether a path names a member of a shard."""
    return path.parent.suffix == ".tar" and path.parent.is_file()


def read_shard_member(path: Path) -> bytes:
    """Content of a member of a take shard.

    Raises:
        MediaError: If the shard is missing or damaged, or holds no such member.
    """
    shard = path.parent
    try:
        begin, size, digest = _members(shard)[path.name]
        with shard.open("rb", buffering=0) as file:
            file.seek(begin)
            content = file.read(size)
    except KeyError:
        raise MediaError(f"{shard}: holds no {path.name}. Generate the takes again.") from None
    except OSError as exc:
        raise MediaError(f"{shard}: cannot be read ({exc.strerror}). Generate the takes again.") from exc
    if hashlib.sha256(content).hexdigest() != digest:
        raise MediaError(f"{shard}: {path.name} is damaged. Remove this shard and generate it again.")
    return content


def read_shard_audio(path: Path, *, sample_rate: int | None = None, mono: bool = False) -> tuple[Tensor, int]:
    """The sound of a member, as :func:`cinefoley.media.audio.files.read_audio` gives that of a file.

    Args:
        path: Of a FLAC in a shard.
        sample_rate: Samples per second to convert to; None keeps its own.
        mono: Accepted as for files; takes have one channel.

    Raises:
        MediaError: If the shard is missing or damaged.
    """
    samples, own = decode_flac(read_shard_member(path), name=path.name)
    rate = sample_rate or own
    blocks = list(resample_blocks([samples[None]], own, rate))
    joined = np.concatenate([np.zeros((1, 0), np.float32), *blocks], axis=1)
    return torch.from_numpy(joined), rate


def read_shard_mel(path: Path) -> NDArray[np.float32] | None:
    """The mel beside a sound in a shard, ``(windows, n_mels, frames)``; None if there is none.

    Raises:
        MediaError: If the shard is missing or damaged.
    """
    name = path.with_suffix(".mel.npy").name
    if name not in _members(path.parent):
        return None
    mel: NDArray[np.float32] = np.load(io.BytesIO(read_shard_member(path.parent / name)), allow_pickle=False)
    return mel


def _shard_names(layout: TakeShardLayout) -> Iterator[str]:
    seen: set[str] = set()
    for line in read_records(layout.ledger):
        name = line.get("shard")
        if name and name not in seen:
            seen.add(name)
            yield name


@lru_cache(maxsize=16)
def _members(shard: Path) -> dict[str, tuple[int, int, str]]:
    """Begin, size and SHA-256 of each member by name."""
    record = read_shard_record(TakeShardLayout(shard.parents[1]), shard.stem)
    if record is None:
        raise MediaError(f"{shard}: is missing, damaged or has no record. Generate the takes again.")
    return {name: (int(begin), int(size), str(digest)) for name, begin, size, digest in record["members"]}
