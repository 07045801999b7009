"""Lock a folder so that one process at a time writes to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cinefoley.errors import OutputError

__all__ = ["locked_folder"]


@contextmanager
def locked_folder(folder: Path, *, lock_name: str, refusal: str) -> Iterator[None]:
    """Lock a folder while the block runs, and remove the partial files that a killed writer left there.

    The lock is the operating system's: it ends with the process, however that ends.

    Args:
        folder: Made if it is missing.
        lock_name: Name of the file that is locked.
        refusal: Error text where another process holds the lock; follows the folder's name.

    Raises:
        OutputError: If the folder cannot be made or written to, or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / lock_name)
        lock.acquire(timeout=0)
    except Timeout as exc:
        raise OutputError(f"{folder} {refusal}") from exc
    except OSError as exc:
        raise OutputError(f"{folder}: cannot be written ({exc.strerror}). Choose another folder.") from exc
    try:
        for left_behind in folder.glob(".cinefoley-*.part"):
            left_behind.unlink(missing_ok=True)
        yield
    finally:
        lock.release()
