"""Clip source of shards: random access to clips in WebDataset archives."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cinefoley.config.frame_rate import FrameRate
from cinefoley.data.shards.archive import ShardEntry, read_members
from cinefoley.data.shards.layout import ShardLayout, ShardSettings
from cinefoley.data.sources.clip_source import ClipEvent, ClipFault, FileDigest, ListedSource, events_as_json
from cinefoley.errors import DataError, MediaError
from cinefoley.media.audio.flac import decode_flac
from cinefoley.media.audio.reader import resample_blocks
from cinefoley.media.frames.jpeg import JpegFrames
from cinefoley.media.frames.pixels import Pixels
from cinefoley.media.frames.video import Video, sample_video
from cinefoley.media.sections import Seconds, Section, as_fraction, as_frame_rate
from cinefoley.variations.showing import show_frame
from cinefoley.variations.window import Box, Window

__all__ = ["ShardClip", "ShardSource", "open_test_shards"]

_FORMAT = 2  # raise when the same shards would give other pixels: caches of them are then made again


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardClip:
    """One clip of a shard, read on demand."""

    path: Path
    """The shard."""
    entry: ShardEntry
    """Its entry in the index."""
    fps: float
    """Frames per second."""
    sample_rate: int
    """Samples per second of the audio."""

    @property
    def id(self) -> str:
        """As in the split CSV."""
        return self.entry.id

    @property
    def labels(self) -> tuple[str, ...]:
        """What makes sound."""
        return self.entry.labels

    @property
    def events(self) -> tuple[ClipEvent, ...] | None:
        """Known events, in order of time."""
        return self.entry.events

    def find_fault(self) -> ClipFault | None:
        """The fault of a shard that is missing or truncated; faults of videos were found when it was made."""
        try:
            size = self.path.stat().st_size
        except OSError as exc:
            return ClipFault(reason="missing", message=f"{self.path}: cannot be read ({exc.strerror})")
        if size < self.entry.end:
            message = f"{self.path}: ends at byte {size}, before the clip does"
            return ClipFault(reason="unreadable", message=message)
        return None

    def frame_size(self) -> tuple[int, int]:
        """Height and width of the stored frames."""
        return self.entry.size

    def video(
        self,
        *,
        fps: Seconds | FrameRate,
        size: tuple[int, int] | None = None,
        start: Seconds = 0.0,
        duration: Seconds | None = None,
        window: Window | None = None,
    ) -> Video:
        """Stored frames, sampled by the same rule as those of a video.

        At the stored rate, and from a start on its grid, they are the same frames that the original video
        gives; at a lower rate the latest stored frame is used. A moving window is where it is in the video.

        Raises:
            DataError: If more frames per second are asked for than are stored.
            MediaError: If the shard is missing or damaged, or the clip ends before ``start``.
            ValueError: If a number is out of range.
        """
        section, rate = Section.of(start, duration), as_frame_rate(fps)
        if rate.fps > as_fraction(self.fps):
            raise DataError(
                f"{self.path.name}: holds {self.fps:g} frames per second, and the model reads "
                f"{float(rate.fps):g}. Prepare shards with --fps {float(rate.fps):g} "
                f"--frame-choice {rate.choice}."
            )
        source = JpegFrames(
            self.jpegs(),
            as_fraction(self.fps),
            Fraction(self.entry.duration_s).limit_denominator(1_000_000),
            self.id,
            change=None if window is None else self.show_through(window),
        )
        return sample_video(source, rate, size, section, self.path)

    def waveform(self, sample_rate: int, *, start: Seconds = 0.0, duration: Seconds | None = None) -> Tensor:
        """The stored audio, ``(N,)``, resampled if another rate is asked for.

        Raises:
            MediaError: If the shard is missing or damaged.
            ValueError: If a number is out of range.
        """
        if sample_rate < 1:
            raise ValueError(f"sample_rate must be positive, got {sample_rate}")
        section = Section.of(start, duration)
        samples, kept_rate = decode_flac(self.member("flac"), name=self.id)
        end = len(samples) if section.end is None else round(section.end * kept_rate)
        blocks = resample_blocks(
            [samples[None, round(section.start * kept_rate) : end]], kept_rate, sample_rate
        )
        joined = np.concatenate([np.zeros((1, 0), np.float32), *blocks], axis=1)
        return torch.from_numpy(joined[0].copy())

    def follow(self, window: Window) -> Callable[[int, tuple[int, int]], Box]:
        """Boxes of a window in the stored frames, where they are in the original video at that time.

        Args:
            window: Drawn for this clip, or for another size of it.

        Returns:
            From a frame's number, and its height and width, to the box that is shown.

        Raises:
            MediaError: If the shard is missing or damaged.
        """
        progress = self.about()["progress"] if window.is_moving else [0.0] * self.entry.num_frames

        def box_of(index: int, size: tuple[int, int]) -> Box:
            return window.on(size).box_at(progress[index])

        return box_of

    def show_through(self, window: Window) -> Callable[[int, Pixels], Pixels]:
        """What a window shows of the stored frames, at their times in the original video.

        Args:
            window: Drawn for this clip, or for another size of it.

        Returns:
            From a frame's number and pixels ``(H, W, 3)`` to what is shown.

        Raises:
            MediaError: If the shard is missing or damaged.
        """
        if window.is_crop:
            box_of = self.follow(window)

            def cut(index: int, pixels: Pixels) -> Pixels:
                x0, y0, x1, y1 = box_of(index, (pixels.shape[0], pixels.shape[1]))
                return pixels[y0:y1, x0:x1]

            return cut
        progress, fitted = self.about()["progress"], window.lasting(self.last_s)
        return lambda index, pixels: show_frame(pixels, fitted, progress[index])

    @property
    def last_s(self) -> float:
        """Seconds from the first stored frame to the last."""
        return (self.entry.num_frames - 1) / self.fps

    def jpegs(self) -> list[bytes]:
        """The stored frames as JPEGs, by one read.

        Raises:
            MediaError: If the shard is missing or damaged.
        """
        members = read_members(self.path, self.entry.stills_offset, self.entry.end)
        if len(members) != self.entry.num_frames:
            raise MediaError(f"{self.path}: holds another clip than {self.id}. Prepare the clips again.")
        return list(members.values())

    def flac(self) -> bytes:
        """The stored audio as a FLAC file.

        Raises:
            MediaError: If the shard is missing or damaged.
        """
        return self.member("flac")

    def about(self) -> dict[str, Any]:
        """What was known when the shard was made, such as name and SHA-256 of the video.

        Raises:
            MediaError: If the shard is missing or damaged.
        """
        try:
            content: dict[str, Any] = json.loads(self.member("json"))
        except ValueError as exc:
            raise MediaError(f"{self.path}: the description of {self.id} is damaged ({exc}).") from exc
        return content

    def member(self, suffix: str) -> bytes:
        """One member before the frames: ``json``, ``flac`` or ``mel.npy``.

        Raises:
            MediaError: If the shard is missing or damaged.
        """
        members = read_members(self.path, self.entry.offset, self.entry.stills_offset)
        try:
            return members[suffix]
        except KeyError:
            raise MediaError(
                f"{self.path}: holds no {suffix} of {self.id} at its place. Prepare the clips again."
            ) from None


class ShardSource(ListedSource[ShardEntry]):
    """The clips of a folder of shards, as ``cinefoley data prepare`` makes them.

    Args:
        folder: The folder.
        split: Only clips of this split, if the split CSV named splits; None uses all.
        label_names: The labels by number; None means those the shards were made with.

    Raises:
        DataError: If there are no shards, they are unfinished or damaged, or none is of the split.

    Examples:
        >>> ShardSource("shards", split="train")[0].video(fps=4, size=(224, 224))  # doctest: +SKIP
    """

    def __init__(
        self, folder: Path | str, *, split: str | None = None, label_names: Sequence[str] | None = None
    ) -> None:
        layout = ShardLayout(Path(folder))
        about = layout.read_about()
        if about is None:
            raise DataError(
                f"{folder}: holds no shards ({layout.about.name} is missing). "
                "Make some with `cinefoley data prepare`."
            )
        if not layout.index.exists():
            raise DataError(
                f"{folder}: the shards are unfinished. Run the same `cinefoley data prepare` again."
            )
        try:
            self.settings = ShardSettings.from_description(about["settings"])
            labels = tuple(about["label_names"] if label_names is None else label_names)
            entries = list(_read_index(layout.index))
        except (KeyError, ValueError, OSError) as exc:
            raise DataError(f"{folder}: the shards are damaged ({exc}). Prepare the clips again.") from exc
        super().__init__(Path(folder), _of_split(entries, split, Path(folder)), labels)
        self._shards = layout.shards

    def __getitem__(self, index: int) -> ShardClip:
        """Clip ``index``; its shard is not opened."""
        entry = self.rows[index]
        return ShardClip(
            path=self._shards / f"{entry.shard}.tar",
            entry=entry,
            fps=self.settings.fps,
            sample_rate=self.settings.mel.sample_rate,
        )

    def _fingerprint(self, row: ShardEntry, digest_of: FileDigest) -> str:
        """From digest, labels and events of the index entry, without reading the shard."""
        content = [_FORMAT, row.digest, row.labels, events_as_json(row.events)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def open_test_shards(folder: Path) -> ShardSource | None:
    """The clips of a folder of shards to generate for and to evaluate on; None if it holds no shards.

    These are the clips of the split ``test``, if there are any, otherwise all.

    Raises:
        DataError: If the shards are unfinished or damaged.
    """
    if ShardLayout.find(folder) is None:
        return None
    whole = ShardSource(folder)
    has_test = any(entry.split == "test" for entry in whole.rows)
    return ShardSource(folder, split="test") if has_test else whole


def _read_index(path: Path) -> Iterator[ShardEntry]:
    """Entries one by one; equal strings share memory, since there may be 200,000 entries."""
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
        raise DataError(f"{folder}: holds {what}; {folder / 'ledger.jsonl'} lists the outcome of each row.")
    return kept


def _joined(names: Iterable[str]) -> str:
    return ", ".join(sorted(name or "(none)" for name in names))
