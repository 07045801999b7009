"""Shards as a source of clips: each is read where it lies, in any order."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from cinefoley.data.shards.archive import ShardEntry, read_members
from cinefoley.data.shards.layout import ShardLayout, ShardSettings
from cinefoley.data.sources.clip_source import ClipEvent, ClipFault, FileDigest
from cinefoley.errors import DataError, MediaError
from cinefoley.media.audio.flac import decode_flac
from cinefoley.media.audio.reader import resample_blocks
from cinefoley.media.frames.jpeg import JpegFrames
from cinefoley.media.frames.video import Video, sample_video
from cinefoley.media.sections import Seconds, Section, as_fraction, as_rate
from cinefoley.variations.window import Box, Window

__all__ = ["ShardClip", "ShardSource", "open_test_shards"]

_FORMAT = 2  # raise when the same shards would give other pixels: caches of them are then made again


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardClip:
    """One clip of a shard; nothing is opened before it is asked for."""

    path: Path
    """The shard."""
    entry: ShardEntry
    """Where it lies in there, and what is known about it."""
    fps: float
    """Pictures per second."""
    sample_rate: int
    """Samples per second of the sound."""

    @property
    def id(self) -> str:
        """As in the list."""
        return self.entry.id

    @property
    def labels(self) -> tuple[str, ...]:
        """What is heard."""
        return self.entry.labels

    @property
    def events(self) -> tuple[ClipEvent, ...] | None:
        """Known events, in order of time."""
        return self.entry.events

    def find_fault(self) -> ClipFault | None:
        """Whether the shard is gone or cut off; faults of films were found when it was made."""
        try:
            size = self.path.stat().st_size
        except OSError as exc:
            return ClipFault(reason="missing", message=f"{self.path}: cannot be read ({exc.strerror})")
        if size < self.entry.end:
            message = f"{self.path}: ends at byte {size}, before the clip does"
            return ClipFault(reason="unreadable", message=message)
        return None

    def frame_size(self) -> tuple[int, int]:
        """Height and width of the pictures as they are kept."""
        return self.entry.size

    def video(
        self,
        *,
        fps: Seconds,
        size: tuple[int, int] | None = None,
        start: Seconds = 0.0,
        duration: Seconds | None = None,
        window: Window | None = None,
    ) -> Video:
        """The pictures that are kept, picked by the rule that picks those of a film.

        At the rate at which they are kept, and from a start on their grid, they are the very ones that the
        film gives; otherwise the latest that was kept stands in. A moving window is where it is in the film.

        Raises:
            MediaError: If the shard is gone or damaged, or the clip ends before ``start``.
            ValueError: If a number is out of range.
        """
        section, rate = Section.of(start, duration), as_rate(fps)
        source = JpegFrames(
            self.jpegs(),
            as_fraction(self.fps),
            Fraction(self.entry.duration_s).limit_denominator(1_000_000),
            self.id,
            crop=None if window is None else self.follow(window),
        )
        return sample_video(source, rate, size, section, self.path)

    def waveform(self, sample_rate: int, *, start: Seconds = 0.0, duration: Seconds | None = None) -> Tensor:
        """The sound that is kept, ``(N,)``, resampled where another rate is asked for.

        Raises:
            MediaError: If the shard is gone or damaged.
            ValueError: If a number is out of range.
        """
        if sample_rate < 1:
            raise ValueError(f"sample_rate must be positive, got {sample_rate}")
        section = Section.of(start, duration)
        samples, kept_rate = decode_flac(self._member("flac"), name=self.id)
        end = len(samples) if section.end is None else round(section.end * kept_rate)
        blocks = resample_blocks(
            [samples[None, round(section.start * kept_rate) : end]], kept_rate, sample_rate
        )
        joined = np.concatenate([np.zeros((1, 0), np.float32), *blocks], axis=1)
        return torch.from_numpy(joined[0].copy())

    def follow(self, window: Window) -> Callable[[int, tuple[int, int]], Box]:
        """Where a window is in every picture: as far on its way as it is in the film at that time.

        Args:
            window: Drawn for this clip, or for another size of it.

        Returns:
            From a picture's number, and its height and width, to the box that is shown.

        Raises:
            MediaError: If the shard is gone or damaged.
        """
        progress = self.about()["progress"] if window.is_moving else [0.0] * self.entry.num_frames

        def box_of(index: int, size: tuple[int, int]) -> Box:
            return window.on(size).box_at(progress[index])

        return box_of

    def jpegs(self) -> list[bytes]:
        """The pictures as they are kept: JPEGs, by one read.

        Raises:
            MediaError: If the shard is gone or damaged.
        """
        members = read_members(self.path, self.entry.stills_offset, self.entry.end)
        if len(members) != self.entry.num_frames:
            raise MediaError(f"{self.path}: holds another clip than {self.id}. Prepare the clips again.")
        return list(members.values())

    def flac(self) -> bytes:
        """The sound as it is kept: a FLAC file.

        Raises:
            MediaError: If the shard is gone or damaged.
        """
        return self._member("flac")

    def about(self) -> dict[str, Any]:
        """All that was known when the shard was made: the film's name and SHA-256, for one.

        Raises:
            MediaError: If the shard is gone or damaged.
        """
        try:
            content: dict[str, Any] = json.loads(self._member("json"))
        except ValueError as exc:
            raise MediaError(f"{self.path}: what it says of {self.id} is damaged ({exc}).") from exc
        return content

    def _member(self, suffix: str) -> bytes:
        members = read_members(self.path, self.entry.offset, self.entry.stills_offset)
        try:
            return members[suffix]
        except KeyError:
            raise MediaError(
                f"{self.path}: holds no {suffix} of {self.id} where it should. Prepare the clips again."
            ) from None


class ShardSource:
    """The clips of a folder of shards that ``cinefoley data prepare`` has made.

    Args:
        folder: The folder.
        split: Only clips of this split, where the list named splits at all; None takes all.
        label_names: The labels by number; None takes those the shards were made with.

    Raises:
        DataError: If there are no shards, they are unfinished or damaged, or none is of the split.

    Examples:
        >>> ShardSource("shards", split="train")[0].video(fps=4, size=(224, 224))  # doctest: +SKIP
    """

    def __init__(
        self, folder: Path | str, *, split: str | None = None, label_names: Sequence[str] | None = None
    ) -> None:
        self.folder = Path(folder)
        layout = ShardLayout(self.folder)
        about = layout.read_about()
        if about is None:
            raise DataError(
                f"{folder}: holds no shards ({layout.about.name} is not there). "
                "Make some with `cinefoley data prepare`."
            )
        if not layout.index.exists():
            raise DataError(
                f"{folder}: the shards are not finished. Run the `cinefoley data prepare` that began them "
                "once more."
            )
        try:
            self.settings = ShardSettings.from_description(about["settings"])
            self.label_names = tuple(about["label_names"] if label_names is None else label_names)
            entries = list(_read_index(layout.index))
        except (KeyError, ValueError, OSError) as exc:
            raise DataError(f"{folder}: the shards are damaged ({exc}). Prepare the clips again.") from exc
        self.entries: Sequence[ShardEntry] = _of_split(entries, split, self.folder)
        self._shards = layout.shards

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.folder)

    @property
    def ids(self) -> Sequence[str]:
        """As in the list, those that are kept."""
        return [entry.id for entry in self.entries]

    def first(self, count: int) -> Self:
        """The first clips of this source, with all of its labels."""
        part = copy(self)
        part.entries = self.entries[:count]
        return part

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> ShardClip:
        """Clip ``index``; its shard is not opened."""
        entry = self.entries[index]
        return ShardClip(
            path=self._shards / f"{entry.shard}.tar",
            entry=entry,
            fps=self.settings.fps,
            sample_rate=self.settings.mel.sample_rate,
        )

    def fingerprints(self, digest_of: FileDigest) -> list[str]:
        """From the digest of what is kept of each clip, its labels and its events; nothing is read for it."""
        return [_fingerprint(entry) for entry in self.entries]


def open_test_shards(folder: Path) -> ShardSource | None:
    """The clips of a folder of shards that one generates for and measures on; None where it holds no shards.

    These are the clips of the split ``test``, where there are such; else all.

    Raises:
        DataError: If the shards are unfinished or damaged.
    """
    if ShardLayout.find(folder) is None:
        return None
    whole = ShardSource(folder)
    has_test = any(entry.split == "test" for entry in whole.entries)
    return ShardSource(folder, split="test") if has_test else whole


def _read_index(path: Path) -> Iterator[ShardEntry]:
    """Entries one by one; equal labels and names of shards are kept once, for there may be 200,000."""
    kept: dict[Any, Any] = {}
    with path.open("rb") as file:
        for line in file:
            record = json.loads(line)
            record["shard"] = kept.setdefault(record["shard"], record["shard"])
            record["split"] = kept.setdefault(record["split"], record["split"])
            labels = tuple(record["labels"])
            record["labels"] = kept.setdefault(labels, labels)
            yield ShardEntry.from_record(record)


def _of_split(entries: list[ShardEntry], split: str | None, folder: Path) -> list[ShardEntry]:
    found = {entry.split for entry in entries}
    takes_all = split is None or found <= {""}
    kept = entries if takes_all else [entry for entry in entries if entry.split == split]
    if not kept:
        what = "no clip" if not entries else f"no clip of the split {split!r} (found {_joined(found)})"
        raise DataError(f"{folder}: holds {what}; {folder / 'ledger.jsonl'} says what became of each row.")
    return kept


def _joined(names: Iterable[str]) -> str:
    return ", ".join(sorted(name or "(none)" for name in names))


def _fingerprint(entry: ShardEntry) -> str:
    known = None if entry.events is None else [asdict(event) for event in entry.events]
    return hashlib.sha256(json.dumps([_FORMAT, entry.digest, entry.labels, known]).encode()).hexdigest()
