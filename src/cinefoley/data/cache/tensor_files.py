"""Tensor files of a cache: written atomically, mapped into memory, one writer at a time."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cinefoley.errors import OutputError
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.files.claims import claim_each
from cinefoley.media.files.staging import remove_left_behind, staging_folder

__all__ = ["Chunk", "claimed_cache", "make_together", "read_chunk", "write_chunk"]

TaskT = TypeVar("TaskT")

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
    with staging_folder(path.parent) as staging:  # several processes may write to one folder
        with atomic_write(staging / path.name) as temporary:
            temporary.write_bytes(content)
        (staging / path.name).replace(path)


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
            if not left_behind.is_dir():
                left_behind.unlink(missing_ok=True)
        remove_left_behind(folder)
        yield
    finally:
        lock.release()


def make_together(
    tasks: Sequence[TaskT], path_of: Callable[[TaskT], Path], make: Callable[[TaskT], object]
) -> Iterator[TaskT]:
    """Make the files that are missing or damaged; processes that want the same files share the work.

    Files are handed out one by one to whoever is free: ranks, or any processes that share the folder. All of
    them return when every file exists.

    Args:
        tasks: One for each file, the same in every process; all files are in one folder.
        path_of: The file of a task.
        make: Writes it, by :func:`write_chunk`.

    Yields:
        Tasks that this process has done.

    Raises:
        OutputError: If the folder cannot be written.
    """
    if not tasks:
        return
    for task in claim_each(
        tasks,
        path_of(tasks[0]).parent,
        lambda task: path_of(task).name,
        lambda task: read_chunk(path_of(task)) is not None,
    ):
        make(task)
        yield task
