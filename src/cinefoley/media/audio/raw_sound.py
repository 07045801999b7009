"""Samples of a sound in an unnamed temporary file: written block by block, then mapped into memory."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from torch import Tensor

from cinefoley.errors import OutputError
from cinefoley.media.audio.reader import Samples
from cinefoley.media.audio.writer import as_samples
from cinefoley.media.files.atomic_write import explain_failure

__all__ = ["RawSound"]


class RawSound:
    """A sound on disk while it is worked on, 4 bytes a sample; the file has no name and goes with the object.

    Args:
        path: File that is made of it: names it in errors, and its folder holds the temporary file.
        channels: Number of channels.

    Raises:
        OutputError: If the folder cannot be written, or the disk is full.
    """

    def __init__(self, path: Path, channels: int = 1) -> None:
        self._path = path
        self._channels = channels
        self._length = 0
        with _named_in_errors(path):
            self._file = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, block: Tensor | Samples) -> None:
        """Append ``(channels, N)`` or ``(N,)`` samples of any magnitude.

        Raises:
            ValueError: If the number of channels differs.
        """
        samples = as_samples(block)
        if samples.shape[0] != self._channels:
            raise ValueError(f"expected {self._channels} channels, got a block of shape {samples.shape}")
        with _named_in_errors(self._path):
            self._file.write(samples.T.tobytes())
        self._length += samples.shape[1]

    def mapped(self) -> Samples:
        """What was written, ``(channels, N)``, mapped from the file: only what is looked at takes memory.

        Raises:
            OutputError: If the disk is full.
        """
        with _named_in_errors(self._path):
            self._file.flush()
        if not self._length:  # an empty file cannot be mapped
            return np.zeros((self._channels, 0), np.float32)
        return np.memmap(self._file, np.float32, mode="r").reshape(-1, self._channels).T


@contextmanager
def _named_in_errors(path: Path) -> Iterator[None]:
    """Name the output in errors, not the temporary file."""
    try:
        yield
    except OSError as exc:
        raise OutputError(explain_failure(exc, path)) from exc
