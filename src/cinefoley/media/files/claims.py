"""Claims: processes that share a folder divide its work, and no piece of it is done twice.

A claim is a lock of the operating system on a file, so it ends with its process, however that ends. Processes
may be ranks of torchrun, workers of a cluster, or commands that were started one by one, on any machines
that share the folder (on NFS from version 4, on Lustre mounted with ``flock``).
"""

import hashlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from cinefoley.errors import OutputError

__all__ = ["claim_each", "claimed"]

TaskT = TypeVar("TaskT")

_FOLDER = ".cinefoley-claims"
_POLL_S = 0.2


@contextmanager
def claimed(folder: Path, name: str, *, waits: bool = True) -> Iterator[bool]:
    """Hold the claim on a piece of work while the block runs.

    After waiting, the work may have been done: look again.

    Args:
        folder: Output folder of the work; made if it is missing.
        name: Of the piece.
        waits: Whether to wait for another process that holds the claim.

    Yields:
        Whether the claim is held; always, if ``waits``.

    Raises:
        OutputError: If the folder cannot be made or written to.
    """
    claims = folder / _FOLDER
    path = claims / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock"
    lock = FileLock(path)
    is_new = not folder.exists()
    try:  # from here on, since Ctrl-C may come between the folder and the lock
        try:
            claims.mkdir(parents=True, exist_ok=True)
            is_held = _acquire(lock, claims, waits=waits)
        except OSError as exc:
            raise OutputError(
                f"{folder}: cannot be written ({exc.strerror}). Choose a writable folder with -o."
            ) from exc
        yield is_held
    finally:
        if lock.is_locked:
            _release(lock, path)
        with suppress(OSError):
            claims.rmdir()  # unless others hold claims
        if is_new:
            with suppress(OSError):
                folder.rmdir()  # if nothing was written


def claim_each(
    tasks: Sequence[TaskT],
    folder: Path,
    name_of: Callable[[TaskT], str],
    is_done: Callable[[TaskT], bool],
) -> Generator[TaskT, None, None]:
    """Claim the tasks that nobody has done, one by one; the claim is held until the next is asked for.

    Every process passes all tasks in its order and skips those that others hold. At the end it waits until
    these are done too, and takes over the tasks of a process that dies.

    Args:
        tasks: The same for every process.
        folder: Output folder that the processes share.
        name_of: Name of a task; no two have the same.
        is_done: Whether a task has been done, by anybody; a task must be so after it was yielded.

    Yields:
        Tasks to do now.

    Raises:
        OutputError: If the folder cannot be written.
    """
    waiting = list(tasks)
    while waiting:
        held_by_others = []
        for task in waiting:
            if is_done(task):
                continue
            with claimed(folder, name_of(task), waits=False) as is_ours:
                if not is_ours:
                    held_by_others.append(task)
                elif not is_done(task):
                    yield task
        waiting = held_by_others
        if waiting:
            time.sleep(_POLL_S)


def _acquire(lock: FileLock, claims: Path, *, waits: bool) -> bool:
    while True:
        try:
            lock.acquire(timeout=-1 if waits else 0)
        except Timeout:
            return False
        except FileNotFoundError:  # another process has just removed the empty folder
            claims.mkdir(parents=True, exist_ok=True)
        else:
            return True


def _release(lock: FileLock, path: Path) -> None:
    """Remove the file, then unlock it: a process that waits for the removed file opens a new one."""
    with suppress(OSError):  # Windows keeps an open file, and its lock file stays
        path.unlink()
    lock.release()
