"""Lines of JSON that survive a kill: appended one by one, or written whole."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cinefoley.errors import OutputError
from cinefoley.media.files.atomic_write import atomic_write

__all__ = ["Journal", "Record", "read_records", "write_json", "write_records"]

Record = dict[str, Any]


class Journal:
    """A file to which records are appended, each on the disk before the next begins."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Record]:
        """All whole records; a last line that a kill has cut in half is left out."""
        return read_records(self.path, keeps_damaged=False) if self.path.exists() else []

    @contextmanager
    def opened(self) -> Iterator["Journal"]:
        """Hold the file open while the block appends to it.

        Raises:
            OutputError: If it cannot be written.
        """
        if self.path.exists():
            write_records(self.path, self.read())  # what a kill has cut in half must not spoil the next line
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
    """Read a file of records.

    Args:
        path: The file.
        keeps_damaged: Whether a line that is no JSON is an error; else it is left out.

    Raises:
        ValueError: If a line is no JSON object.
        OSError: If the file cannot be read.
    """
    records = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError("no JSON object")
        except ValueError as exc:
            if keeps_damaged:
                raise ValueError(f"line {number}: {exc}") from exc
            continue
        records.append(record)
    return records


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write a file of records whole.

    Raises:
        OutputError: If it cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        file.writelines(_line(record) for record in records)


def write_json(path: Path, content: Record) -> None:
    """Write one JSON object whole, for people to read.

    Raises:
        OutputError: If it cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _line(record: Record) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"
