"""Atomic folder writes: a folder is complete or absent."""

import errno
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cinefoley.errors import OutputError

__all__ = ["explain_os_error", "folder_written_aside", "is_out_of_space"]

_OUT_OF_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def folder_written_aside(out: Path, *, overwrites: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``out``; rename it when the block succeeds, remove it when it fails.

    Args:
        out: Path of the folder; its parents are created.
        overwrites: Whether an existing model folder may be replaced. It stays until the new one is complete.

    Raises:
        OutputError: If ``out`` exists and may not be replaced, is not writable, or the disk fills up while
            the block writes.
    """
    _check_free(out, overwrites=overwrites)
    temporary = out.parent / f".cinefoley-{secrets.token_hex(8)}.part"
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _replace(out, temporary)
    except OSError as exc:
        if exc.filename is not None and not str(exc.filename).startswith(str(temporary)):
            raise
        raise OutputError(explain_os_error(exc, out)) from exc
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_out_of_space(exc: OSError) -> bool:
    """Whether the error means that a disk or a quota is full."""
    return exc.errno in _OUT_OF_SPACE


def explain_os_error(exc: OSError, out: Path) -> str:
    """One line: why ``out`` could not be written, and what to do."""
    if is_out_of_space(exc):
        return f"{out}: no space left ({exc.strerror}). Free some space or choose another disk."
    return f"{out}: cannot be written ({exc.strerror or exc}). Choose a folder that you may write to."


def _check_free(out: Path, *, overwrites: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / "model_index.json").is_file():
        raise OutputError(
            f"{out}: exists and is not a model folder, so it is not replaced. Choose another folder."
        )
    if not overwrites:
        raise OutputError(f"{out}: exists. Pass --force to replace it, or choose another folder.")


def _replace(out: Path, new: Path) -> None:
    """Rename ``new`` to ``out``; an existing ``out`` is deleted afterwards."""
    if not out.exists():
        new.rename(out)
        return
    old = new.with_suffix(".old")
    out.rename(old)
    try:
        new.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
