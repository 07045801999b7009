"""Atomic writes: a file is complete or absent."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cinefoley.errors import OutputError

__all__ = ["atomic_write", "cause_of_failed_write", "explain_failure"]

_OUT_OF_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file atomically: yield a temporary path, rename it to ``path`` when the block succeeds.

    ``path`` never shows a partial file, also after Ctrl-C: an older file stays until the new one is complete.
    The temporary file already exists, empty, in the same folder (so the rename cannot cross a file system);
    its name ends in ``.part``, so writers need an explicit format.

    Args:
        path: Path of the output. Its folder must exist.

    Yields:
        The temporary path to write to.

    Raises:
        OutputError: If the folder is missing or closed to us, ``path`` is a folder, or the disk fills up
            while the block writes. Any other error of the block passes through unchanged.
    """
    target = Path(path)
    temporary = _make_temporary(target)
    try:
        yield temporary
        _flush_to_disk(temporary)
        temporary.replace(target)
    except OSError as exc:
        if not _concerns(exc, temporary):
            raise
        raise OutputError(explain_failure(exc, target)) from exc
    finally:
        temporary.unlink(missing_ok=True)


def cause_of_failed_write(path: Path) -> OSError:
    """Find the cause of a failed write where the library hides the error number.

    libsndfile reports a full disk as "System error" without a number; one more write finds out.

    Args:
        path: The file whose writing failed; 64 KiB are appended to it.

    Returns:
        The error of that write, or ``EIO`` where the write succeeds.
    """
    try:
        with path.open("ab", buffering=0) as file:
            for _ in range(16):
                file.write(bytes(4096))
    except OSError as exc:
        return exc
    return OSError(errno.EIO, os.strerror(errno.EIO), str(path))


def explain_failure(exc: OSError, target: Path) -> str:
    """Explain to a user why ``target`` could not be written, and what to do."""
    if exc.errno in _OUT_OF_SPACE:
        return f"{target}: no space left ({exc.strerror}). Free some space or write elsewhere."
    if exc.errno in {errno.ENOENT, errno.ENOTDIR}:
        return f"{target}: the folder {target.parent} does not exist. Make it first, or write elsewhere."
    if exc.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{target}: no permission to write in {target.parent}. Choose a folder of yours."
    return f"{target}: cannot be written ({exc.strerror or exc})."


def _make_temporary(target: Path) -> Path:
    if target.is_dir():
        raise OutputError(f"{target}: is a folder; a file name is needed here.")
    temporary = target.parent / f".cinefoley-{secrets.token_hex(8)}.part"
    try:
        temporary.open("xb").close()
    except OSError as exc:
        raise OutputError(explain_failure(exc, target)) from exc
    return temporary


def _flush_to_disk(path: Path) -> None:
    """Some file systems (network ones, quotas) report a full disk only here."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _concerns(exc: OSError, temporary: Path) -> bool:
    """Whether ``exc`` is about the output, and not about an input."""
    if exc.filename is None:
        return exc.errno in _OUT_OF_SPACE | {errno.EIO, errno.EROFS}
    return os.fspath(exc.filename) == str(temporary) or exc.errno in _OUT_OF_SPACE
