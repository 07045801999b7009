"""Staging folders: outputs are made in one, and moved out when they are complete."""

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from cinefoley.errors import OutputError

__all__ = ["remove_left_behind", "staging_folder"]

_LOCK = ".lock"
_FORGOTTEN_S = 86400.0  # a folder without a lock is of an older version, or its process died as it began


@contextmanager
def staging_folder(out_dir: Path) -> Iterator[Path]:
    """Temporary folder inside ``out_dir``, removed at the end in every case.

    It is locked while its process lives. So the folder of a process that was killed is recognised, and
    removed by the next process that stages in ``out_dir``.

    Raises:
        OutputError: If it cannot be created; errors raised inside name the files in ``out_dir``.
    """
    folder = out_dir / f".cinefoley-{secrets.token_hex(8)}.part"  # before it exists, so it is always removed
    lock = FileLock(folder / _LOCK)
    try:
        _make_folder(folder)
        lock.acquire()
        _make_folder(folder)  # another process may have removed it just before it was locked
        remove_left_behind(out_dir)
        yield folder
    except OutputError as exc:
        raise OutputError(str(exc).replace(str(folder), str(out_dir))) from exc
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_behind(out_dir: Path) -> None:
    """Remove the staging folders of processes that have died."""
    for folder in out_dir.glob(".cinefoley-*.part"):
        if not folder.is_dir():
            continue
        path = folder / _LOCK
        with suppress(OSError, Timeout):
            if not path.exists():
                if time.time() - folder.stat().st_mtime > _FORGOTTEN_S:
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            with FileLock(path, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(
            f"{folder.parent}: cannot be written ({exc.strerror}). Choose a writable folder with -o."
        ) from exc
