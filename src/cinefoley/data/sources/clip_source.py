"""Clip source: one interface over folders of videos, stage exports, shards and the stage itself.

Nothing is opened until a clip is asked for its frames or its audio. So a source of 200,000 clips is made in a
moment, and a clip can be sent to a worker process that reads it.
"""

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

import torch
from torch import Tensor

from cinefoley.config.frame_rate import FrameRate
from cinefoley.media.frames.video import Video
from cinefoley.media.sections import Seconds
from cinefoley.variations.window import Window

__all__ = [
    "Annotation",
    "Clip",
    "ClipEvent",
    "ClipFault",
    "ClipSource",
    "FaultReason",
    "FileDigest",
    "ListedSource",
    "events_as_json",
    "is_of_this_machine",
]

_MACHINE_ERRNOS = {
    getattr(errno, name)
    for name in ("EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "ESTALE", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN")
    if hasattr(errno, name)
}

FaultReason = Literal["missing", "unreadable", "no picture", "no sound", "mute", "still", "too short"]
"""Why a clip is skipped."""

FileDigest = Callable[[Path], str]
"""From a file to its SHA-256 in hexadecimal; the caller may cache it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFault:
    """Why one clip is skipped."""

    reason: FaultReason
    """What totals count."""
    message: str
    """What was found, as a sentence."""

    def to_record(self, clip_id: str) -> dict[str, Any]:
        """A ledger entry: ``id``, ``reason``, ``message``."""
        return {"id": clip_id, "reason": self.reason, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipEvent:
    """One known event: an action that makes a sound."""

    time_s: float
    """When the sound starts, in seconds from the clip's start."""
    kind: str
    """The action, such as ``strike``."""
    is_onset_like: bool = True
    """Whether the sound starts sharply enough for its onset to be judged."""
    strength: float = 1.0
    """How hard, in (0, 1]."""


def events_as_json(events: Sequence[ClipEvent] | None) -> list[dict[str, Any]] | None:
    """Known events as JSON values; None if they are not known."""
    return None if events is None else [asdict(event) for event in events]


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Labels and events of one clip, as an event file gives them."""

    labels: tuple[str, ...]
    """The kind of every source."""
    events: tuple[ClipEvent, ...]
    """Every event, in order of time."""


class Clip(Protocol):
    """One clip; its methods read it, and each may decode."""

    @property
    def id(self) -> str:
        """Its name, unique in a source."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """What makes sound, the first source first; empty where that is not known."""
        ...

    @property
    def events(self) -> tuple[ClipEvent, ...] | None:
        """Every event in order of time; None where they are not known."""
        ...

    def find_fault(self) -> ClipFault | None:
        """What is wrong with the clip, as far as that shows without decoding; None if nothing."""
        ...

    def frame_size(self) -> tuple[int, int]:
        """Height and width of the upright frame, for which a variation draws its window.

        Raises:
            MediaError: If the clip cannot be read.
        """
        ...

    def video(
        self,
        *,
        fps: Seconds | FrameRate,
        size: tuple[int, int] | None = None,
        start: Seconds = 0.0,
        duration: Seconds | None = None,
        window: Window | None = None,
    ) -> Video:
        """Frames at a constant rate, sampled from ``start`` as :func:`cinefoley.media.load_video` does.

        Args:
            fps: Frames per second.
            size: Height and width to squash to, after the window was cut out; None keeps the window's.
            start: Seconds from the clip's start.
            duration: Seconds to read; None, or more than there is, reads to the end.
            window: The part of the frame that is shown; the whole of it if None.

        Raises:
            MediaError: If the clip cannot be read, or ends before ``start``.
            ValueError: If a number is out of range.
        """
        ...

    def waveform(self, sample_rate: int, *, start: Seconds = 0.0, duration: Seconds | None = None) -> Tensor:
        """Audio of the same time, one channel ``(N,)`` float32, full scale at 1.

        It may be shorter than asked for, and empty: nothing is padded.

        Raises:
            MediaError: If the clip has no sound that can be decoded.
        """
        ...


class ClipSource(Protocol):
    """A sequence of clips."""

    @property
    def name(self) -> str:
        """Its name in messages and records."""
        ...

    @property
    def ids(self) -> Sequence[str]:
        """The clips' names in their order, each once."""
        ...

    @property
    def label_names(self) -> tuple[str, ...]:
        """Every label that a clip may have, in the order of their numbers; empty where there are none."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Clip:
        """Clip ``index``, not yet opened; it can be pickled and read in another process."""
        ...

    def fingerprints(self, digest_of: FileDigest) -> list[str]:
        """A hash of each clip's content, labels and events: the key of a cache.

        Args:
            digest_of: From a file to its digest.

        Raises:
            MediaError: If a video cannot be read because of this machine.
        """
        ...


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


RowT = TypeVar("RowT", bound=_HasId)


class ListedSource(ABC, Generic[RowT]):
    """Base of the sources that hold a row for each of their clips.

    Args:
        folder: Where the clips are.
        rows: What is known of each clip.
        label_names: Every label that a clip may have.
    """

    def __init__(self, folder: Path, rows: Sequence[RowT], label_names: tuple[str, ...]) -> None:
        self.folder = folder
        self.rows = rows
        self.label_names = label_names

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.folder)

    @property
    def ids(self) -> Sequence[str]:
        """The clips' names: as in the split CSV, or the videos' names without suffix."""
        return [row.id for row in self.rows]

    def first(self, count: int) -> Self:
        """The first clips of this source, with all of its labels."""
        part = copy(self)
        part.rows = self.rows[:count]
        return part

    def __len__(self) -> int:
        return len(self.rows)

    @abstractmethod
    def __getitem__(self, index: int) -> Clip:
        """Clip ``index``, not yet opened."""

    def fingerprints(self, digest_of: FileDigest) -> list[str]:
        """A hash of each clip's content, labels and events."""
        return [self._fingerprint(row, digest_of) for row in self.rows]

    @abstractmethod
    def _fingerprint(self, row: RowT, digest_of: FileDigest) -> str: ...


def is_of_this_machine(exc: BaseException) -> bool:
    """Whether an error, or its cause, is about this machine rather than about a clip.

    Faults of clips are cached and not checked again, so running out of files or memory, or losing a network
    share, must not become one.
    """
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(cause):
            return True
        if isinstance(cause, OSError) and cause.errno in _MACHINE_ERRNOS:
            return True
        cause = cause.__cause__
    return False
