"""Tensor files of a cache: written atomically, mapped into memory, one writer at a time."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cinefoley.errors import OutputError
from cinefoley.media.files.atomic_write import atomic_write

__all__ = ["Chunk", "claimed_cache", "read_chunk", "write_chunk"]

Chunk = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name, and notes about their rows as JSON values."""

_log = logging.getLogger(__name__)

_NOTES = "cinefoley"


def write_chunk(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Write a file of tensors with notes atomically.

    Raises:
        OutputError: If it cannot be written, for example because the disk is full.
    """
    content = save(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, {_NOTES: json.dumps(notes)}
    )
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def read_chunk(path: Path) -> Chunk | None:
    """Map a file of tensors; only its header is read.

    Returns:
        What :func:`write_chunk` wrote. None if there is no such file, or it is truncated or damaged:
        then it has to be made again.
    """
    try:
        with safe_open(path, framework="pt") as file:
            notes = json.loads((file.metadata() or {})[_NOTES])
            return {name: file.get_tensor(name) for name in file.keys()}, notes  # noqa: SIM118  # it is not a mapping
    except (OSError, SafetensorError, ValueError, KeyError):
        return None


@contextmanager
def claimed_cache(folder: Path) -> Iterator[None]:
    """Lock a folder of the cache for one writer; others wait, and then find its files.

    Partial files of a killed writer are removed. The operating system releases the lock when its process
    ends. So every rank of a run may ask for the same data: one makes it.

    Raises:
        OutputError: If the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("waiting for another process that prepares %s", folder)
            lock.acquire()
    except OSError as exc:
        raise OutputError(
            f"{folder}: the cache cannot be written ({exc.strerror}). Choose another folder with --cache."
        ) from exc
    try:
        for left_behind in folder.glob(".cinefoley-*.part"):
            left_behind.unlink(missing_ok=True)
        yield
    finally:
        lock.release()
