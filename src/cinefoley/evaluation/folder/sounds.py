"""Sounds to evaluate: audio of files, and of members of take shards, read where they are."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.data.shards.take_shards import (
    is_in_shard,
    read_shard_audio,
    read_shard_mel,
    read_shard_member,
)
from cinefoley.errors import MediaError
from cinefoley.media.audio.files import read_audio
from cinefoley.media.audio.loudness import Loudness, measure_file_loudness, measure_loudness
from cinefoley.metrics.backbones.weights import file_digest

__all__ = [
    "Sounds",
    "has_saved_mel",
    "read_mel",
    "read_sound",
    "sound_digest",
    "sound_exists",
    "sound_loudness",
]


@dataclass(frozen=True, slots=True)
class Sounds:
    """Sounds that are not simply the files of a folder."""

    name: str
    """What messages call them."""
    files: Mapping[str, Path]
    """Paths by stem: of files, or of members of shards."""

    def __str__(self) -> str:
        return self.name


def sound_exists(path: Path) -> bool:
    """Whether there is such a file or member."""
    return path.is_file() or is_in_shard(path)


def sound_digest(path: Path) -> str:
    """SHA-256 of a sound file, or of a member of a shard.

    Raises:
        MediaError: If it cannot be read, or a shard is damaged.
    """
    if is_in_shard(path):
        return hashlib.sha256(read_shard_member(path)).hexdigest()
    try:
        return file_digest(path)
    except OSError as exc:
        raise MediaError(f"{path}: cannot be read ({exc.strerror}).") from exc


def read_sound(path: Path, *, sample_rate: int | None = None, mono: bool = False) -> tuple[Tensor, int]:
    """Read a sound as :func:`cinefoley.media.audio.files.read_audio` does.

    Raises:
        MediaError: If it cannot be read.
    """
    read = read_shard_audio if is_in_shard(path) else read_audio
    return read(path, sample_rate=sample_rate, mono=mono)


def sound_loudness(path: Path) -> Loudness:
    """Loudness of a sound.

    Raises:
        MediaError: If it cannot be read.
    """
    if not is_in_shard(path):
        return measure_file_loudness(path)
    waveform, rate = read_shard_audio(path)
    return measure_loudness([waveform.numpy()], rate)


def has_saved_mel(path: Path) -> bool:
    """Whether the generated mel was saved beside a sound."""
    return (is_in_shard(path) and read_shard_mel(path) is not None) or _mel_path(path).is_file()


def read_mel(path: Path) -> NDArray[np.float32]:
    """The mel that was saved beside a sound, ``(windows, n_mels, frames)``.

    Raises:
        MediaError: If it is damaged.
    """
    found = read_shard_mel(path) if is_in_shard(path) else None
    if found is not None:
        return found
    try:
        mel: NDArray[np.float32] = np.load(_mel_path(path), allow_pickle=False).astype(np.float32)
    except (ValueError, OSError, IndexError) as exc:
        raise MediaError(f"{_mel_path(path)}: damaged ({exc}). Generate it again.") from exc
    return mel


def _mel_path(path: Path) -> Path:
    return path.with_suffix(".mel.npy")
