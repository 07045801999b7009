"""SHA-256 of files, cached by path, size and time of change: 200,000 videos are not read at every start."""

import hashlib
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from cinefoley.data.json_lines import Journal
from cinefoley.errors import MediaError

__all__ = ["FileDigests", "file_sha256"]


class FileDigests:
    """SHA-256 of files, cached by path, size and time of change; a changed file is read again.

    Args:
        path: The cache: JSON lines, appended one by one.
    """

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self._known: dict[str, tuple[int, int, str]] = {}
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        for record in self._journal.read():
            try:
                self._known[record["path"]] = (record["size"], record["mtime_ns"], record["sha256"])
            except KeyError:
                continue  # of another version, or damaged
        self._opened.enter_context(self._journal.opened())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def sha256(self, path: Path) -> str:
        """The digest of a file.

        Raises:
            MediaError: If it cannot be read.
            OutputError: If the cache cannot be written.
        """
        try:
            state = path.stat()
        except OSError as exc:
            raise MediaError(f"{path}: cannot be read ({exc.strerror}).") from exc
        key = str(path.absolute())
        size, changed, digest = self._known.get(key, (-1, -1, ""))
        if (size, changed) != (state.st_size, state.st_mtime_ns):
            digest = file_sha256(path)
            self._known[key] = (state.st_size, state.st_mtime_ns, digest)
            self._journal.append(
                {"path": key, "size": state.st_size, "mtime_ns": state.st_mtime_ns, "sha256": digest}
            )
        return digest


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        MediaError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise MediaError(f"{path}: cannot be read ({exc.strerror}).") from exc
