"""JSON and JSON lines files: appended to line by line, or written atomically."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cinefoley.errors import DataError, OutputError
from cinefoley.media.files.atomic_write import atomic_write

__all__ = ["Journal", "Record", "json_digest", "read_about", "read_records", "write_json", "write_records"]

Record = dict[str, Any]


class Journal:
    """An append-only JSON lines file; each record is on the disk before the next is appended."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Record]:
        """All complete records; a last line that was cut off by a kill is skipped."""
        return read_records(self.path, keeps_damaged=False) if self.path.exists() else []

    @contextmanager
    def opened(self) -> Iterator["Journal"]:
        """Hold the file open while the block appends to it.

        Raises:
            OutputError: If it cannot be written.
        """
        if self.path.exists():
            write_records(
                self.path, self.read()
            )  # drops a truncated last line, which would spoil the next one
        with self._told():
            self._file = self.path.open("ab")
        with self._file:
            yield self

    def append(self, record: Record) -> None:
        """Add one record.

        Raises:
            OutputError: If the disk is full.
        """
        with self._told():
            self._file.write(_line(record))
            self._file.flush()
            os.fsync(self._file.fileno())

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise OutputError(f"{self.path}: cannot be written ({exc.strerror}).") from exc


def read_records(path: Path, *, keeps_damaged: bool = True) -> list[Record]:
    """Read a JSON lines file.

    Args:
        path: The file.
        keeps_damaged: Whether a line that is not a JSON object is an error; otherwise it is skipped.

    Raises:
        ValueError: If a line is not a JSON object.
        OSError: If the file cannot be read.
    """
    records = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError("not a JSON object")
        except ValueError as exc:
            if keeps_damaged:
                raise ValueError(f"line {number}: {exc}") from exc
            continue
        records.append(record)
    return records


def read_about(path: Path, *, kind: str, hint: str) -> Record | None:
    """Read the JSON file that says what a folder is; None if there is no such file.

    Args:
        path: The file.
        kind: Value of its entry ``kind``.
        hint: What to do if it is damaged, for messages.

    Raises:
        DataError: If the file is damaged, or of another kind.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise DataError(f"{path}: cannot be read ({exc}). {hint}") from exc
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise DataError(f"{path}: is not the record of {kind.removeprefix('cinefoley ')}. {hint}")
    return content


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write a JSON lines file atomically.

    Raises:
        OutputError: If it cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        file.writelines(_line(record) for record in records)


def write_json(path: Path, content: Record) -> None:
    """Write one JSON object atomically, indented.

    Raises:
        OutputError: If it cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def json_digest(content: Any) -> str:
    """SHA-256 of JSON values, keys sorted."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _line(record: Record) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"
