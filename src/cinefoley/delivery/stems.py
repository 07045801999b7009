"""Stems: one Broadcast WAV per shot and take, with handles, named by a pattern."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import numpy as np

from cinefoley.delivery.take_reader import read_take
from cinefoley.delivery.timecode import TimecodeClock
from cinefoley.errors import DataError
from cinefoley.media.audio.broadcast_wav import BroadcastInfo, write_broadcast_wav
from cinefoley.media.audio.reader import Samples
from cinefoley.media.audio.writer import Subtype

__all__ = ["NAME_FIELDS", "FrameRange", "Stem", "name_stems", "read_stem", "stem_range", "write_stem"]

NAME_FIELDS = ("video", "shot", "take", "timecode", "model", "seed")
"""What a name pattern may contain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem:
    """A take between two cuts."""

    shot: int
    """Number of the shot, from 1."""
    take: int
    """Number of the take."""
    start_s: float
    """Cut in, in seconds from the first frame."""
    end_s: float
    """Cut out."""
    wav: Path
    """The take's sound."""
    wav_start_s: float = 0.0
    """Where the take's sound begins, in seconds from the first frame."""
    is_used: bool = True
    """Whether the take is the one used for the shot."""
    model: str = ""
    """Name of the model."""
    seed: int | None = None
    """Seed."""
    offset_s: float = 0.0
    """Seconds by which the sound is nudged, later if positive."""
    gain_db: float = 0.0
    """Gain of this stem, beside the one that all share."""

    @property
    def note(self) -> str:
        """Model and seed, for people."""
        seed = "" if self.seed is None else f"seed {self.seed}"
        return ", ".join(filter(None, (self.model and f"model {self.model}", seed)))


@dataclass(frozen=True, slots=True)
class FrameRange:
    """Frames of a video, from its first."""

    start: int
    """First frame."""
    end: int
    """Frame after the last."""


def stem_range(stem: Stem, clock: TimecodeClock, *, num_frames: int, handle_s: float = 0.0) -> FrameRange:
    """Frames of a stem's file: from cut to cut, and handles as far as the video reaches."""
    handle = round(handle_s * float(clock.rate))
    start = round(Fraction(stem.start_s) * clock.rate)
    end = max(start + 1, round(Fraction(stem.end_s) * clock.rate))
    return FrameRange(max(0, start - handle), max(min(num_frames, end + handle), start + 1))


def name_stems(
    stems: Sequence[Stem],
    pattern: str,
    *,
    video: str,
    clock: TimecodeClock,
    reserved: Collection[str] = (),
) -> list[str]:
    """File names, without suffix, of stems.

    Args:
        stems: The stems.
        pattern: Python format string with fields of :data:`NAME_FIELDS`, such as
            ``{video}_{shot:03d}_T{take}``.
        video: Stem of the video's file name.
        clock: The video's.
        reserved: Names of other files of the delivery, without suffix.

    Raises:
        DataError: If the pattern is none, gives a folder, the same name twice, or the name of another file.
    """
    names: list[str] = []
    taken: dict[str, Stem] = {}
    for stem in stems:
        try:
            name = pattern.format_map(_fields(stem, video, clock)).strip()
        except (KeyError, ValueError, IndexError, AttributeError, TypeError) as exc:
            raise DataError(
                f"{pattern!r} is no pattern of names ({type(exc).__name__}: {exc}). Use the fields "
                f"{', '.join(f'{{{field}}}' for field in NAME_FIELDS)}."
            ) from exc
        if not name or name != Path(name).name or name.startswith(".") or re.search(r'[\\/:*?"<>|\0]', name):
            raise DataError(f"{pattern!r} gives {name!r}, which is no file name on every system.")
        if name.lower() in (other.lower() for other in reserved):
            raise DataError(f"{pattern!r} gives {name!r}, which another file of the delivery is called.")
        if name.lower() in taken:
            other = taken[name.lower()]
            raise DataError(
                f"{pattern!r} gives {name!r} for shot {other.shot}, take {other.take} and for shot "
                f"{stem.shot}, take {stem.take}. Add {{shot}} or {{take}}."
            )
        taken[name.lower()] = stem
        names.append(name)
    return names


def read_stem(stem: Stem, start: int, length: int, sample_rate: int) -> Iterator[Samples]:
    """Samples of a stem's take on the video's own grid of samples.

    Args:
        stem: The stem; its nudge applies, its gain does not.
        start: First sample, from the video's first frame, at ``sample_rate``.
        length: Number of samples; silence before and after the take.
        sample_rate: Samples per second of the result.

    Yields:
        ``(1, n)`` float32, ``length`` samples in all.

    Raises:
        MediaError: If the take cannot be read.
    """
    offset = round((stem.wav_start_s + stem.offset_s) * sample_rate)
    before = min(length, max(0, offset - start))
    if before:
        yield np.zeros((1, before), np.float32)
    given = before
    first = start + before - offset  # in the take, at the result's rate
    for block in read_take(stem.wav, first, sample_rate):
        if given >= length:
            return
        yield block[:, : length - given]
        given += min(block.shape[1], length - given)
    if given < length:
        yield np.zeros((1, length - given), np.float32)


def write_stem(
    path: Path,
    stem: Stem,
    frames: FrameRange,
    clock: TimecodeClock,
    *,
    video: str,
    sample_rate: int,
    subtype: Subtype,
    gain: float,
) -> None:
    """Write a stem as a Broadcast WAV.

    Args:
        path: The file.
        stem: The stem.
        frames: Frames of the file, from :func:`stem_range`.
        clock: The video's.
        video: Name of the video, for the iXML project.
        sample_rate: Samples per second.
        subtype: How samples are stored.
        gain: Factor of every sample; the stem's own gain applies as well.

    Raises:
        MediaError: If the take cannot be read.
        OutputError: If the file cannot be written.
    """
    start, end = (round(frame / clock.rate * sample_rate) for frame in (frames.start, frames.end))
    factor = np.float32(gain * 10 ** (stem.gain_db / 20))
    info = BroadcastInfo(
        time_reference=clock.samples(Fraction(frames.start) / clock.rate, sample_rate),
        timecode_rate=clock.rate,
        is_drop_frame=clock.is_drop_frame,
        description=f"{video}, shot {stem.shot}, take {stem.take}; {stem.note}",
        reference=path.stem,
        created=datetime.fromtimestamp(stem.wav.stat().st_mtime),
        project=video,
        scene=str(stem.shot),
        take=str(stem.take),
        track_names=("Foley",),
        note=stem.note,
    )
    blocks = (factor * block for block in read_stem(stem, start, end - start, sample_rate))
    write_broadcast_wav(path, blocks, sample_rate, info, subtype=subtype)


def _fields(stem: Stem, video: str, clock: TimecodeClock) -> dict[str, object]:
    return {
        "video": video,
        "shot": stem.shot,
        "take": stem.take,
        "timecode": re.sub(r"[:;]", "", clock.at(stem.start_s)),
        "model": re.sub(r"[^\w-]+", "-", Path(stem.model).name) or "model",
        "seed": stem.seed or 0,
    }
