"""Clips wherever they are: one interface over folders of films, exported stages and the stage itself.

A source is a list; nothing is opened until a clip is asked for its pictures or its sound. So a source of
200,000 clips is made in a moment, and every process at work can read the clips it is given.
"""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

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
    "is_of_this_machine",
]

_MACHINE_ERRNOS = {
    getattr(errno, name)
    for name in ("EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "ESTALE", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN")
    if hasattr(errno, name)
}

FaultReason = Literal["missing", "unreadable", "no picture", "no sound", "mute", "still", "too short"]
"""Why a clip is of no use."""

FileDigest = Callable[[Path], str]
"""From a file to its SHA-256, in hexadecimal; whoever calls may remember them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFault:
    """Why one clip is left out."""

    reason: FaultReason
    """Counted in totals."""
    message: str
    """What was found, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipEvent:
    """One sounding action that is known to happen."""

    time_s: float
    """When the sound starts, in seconds from the clip's start."""
    kind: str
    """What sounds."""
    is_onset_like: bool = True
    """Whether the sound starts sharply enough for its onset to be judged."""
    strength: float = 1.0
    """How hard, in (0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Labels and events of one clip, as an event file gives them."""

    labels: tuple[str, ...]
    """The kind of every source."""
    events: tuple[ClipEvent, ...]
    """Every event, in order of time."""


class Clip(Protocol):
    """One clip; reading it is left to its methods, each of which may decode."""

    @property
    def id(self) -> str:
        """Its name, once in a source."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """What is heard, the first source first; empty where nobody has said."""
        ...

    @property
    def events(self) -> tuple[ClipEvent, ...] | None:
        """Every event in order of time; None where they are not known."""
        ...

    def find_fault(self) -> ClipFault | None:
        """What is wrong with the clip as far as can be seen without decoding it; None if nothing."""
        ...

    def frame_size(self) -> tuple[int, int]:
        """Height and width of the upright picture, for which a variation draws its window.

        Raises:
            MediaError: If the clip cannot be read.
        """
        ...

    def video(
        self,
        *,
        fps: Seconds,
        size: tuple[int, int] | None = None,
        start: Seconds = 0.0,
        duration: Seconds | None = None,
        window: Window | None = None,
    ) -> Video:
        """Pictures at a constant rate, sampled from ``start`` as :func:`cinefoley.media.load_video` does.

        Args:
            fps: Frames per second.
            size: Height and width to squash to, after the window was cut out; None keeps the window's.
            start: Seconds from the clip's start.
            duration: Seconds to read; None, or more than there is, reads to the end.
            window: The part of the picture that is shown; the whole of it if None.

        Raises:
            MediaError: If the clip cannot be read, or ends before ``start``.
            ValueError: If a number is out of range.
        """
        ...

    def waveform(self, sample_rate: int, *, start: Seconds = 0.0, duration: Seconds | None = None) -> Tensor:
        """Sound beside the same pictures, one channel ``(N,)`` float32, full scale at 1.

        It may be shorter than asked for, and empty: what is not there is not made up.

        Raises:
            MediaError: If the clip has no sound that can be decoded.
        """
        ...


class ClipSource(Protocol):
    """A list of clips."""

    @property
    def name(self) -> str:
        """What messages and records call it."""
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
        """A hash of each clip's content, and of all that is known about it: what a cache is keyed by.

        Args:
            digest_of: Reads, or remembers, the digest of a film.

        Raises:
            MediaError: If a film cannot be read for a reason that is this machine's.
        """
        ...


def is_of_this_machine(exc: BaseException) -> bool:
    """Whether an error, or what caused it, is about this machine at this moment rather than about a clip.

    What is said of a clip is kept, and not asked again: no open file left, no memory or a lost network share
    must not become a property of a film.
    """
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(cause):
            return True
        if isinstance(cause, OSError) and cause.errno in _MACHINE_ERRNOS:
            return True
        cause = cause.__cause__
    return False
