"""Clip source of a folder of videos: with a split CSV, without one, or a stage export."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from cinefoley.config.frame_rate import FrameRate
from cinefoley.data.sources.clip_lookup import ClipFolder, candidate_stems
from cinefoley.data.sources.clip_source import (
    Annotation,
    ClipEvent,
    ClipFault,
    FileDigest,
    ListedSource,
    events_as_json,
    is_of_this_machine,
)
from cinefoley.data.sources.split_csv import SplitRow, read_split
from cinefoley.errors import DataError, MediaError
from cinefoley.media.audio.files import read_audio
from cinefoley.media.frames.video import Video, load_video
from cinefoley.media.probe import VideoInfo, probe
from cinefoley.media.sections import Seconds
from cinefoley.variations.videos import follow_window
from cinefoley.variations.window import Window

__all__ = ["FileClip", "FolderSource", "exported_splits", "find_export"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileClip:
    """A clip that is a video file, or a row of a split CSV whose video is missing."""

    id: str
    """As in the split CSV, or the file's name without suffix."""
    path: Path | None
    """The video; None if it is missing."""
    expected: str
    """The names it was looked up under."""
    labels: tuple[str, ...] = ()
    """What makes sound."""
    events: tuple[ClipEvent, ...] | None = None
    """Known events, in order of time."""

    def find_fault(self) -> ClipFault | None:
        """The fault of a video that is missing, unreadable, or without video or audio stream."""
        found = self.probe()
        return found if isinstance(found, ClipFault) else None

    def probe(self) -> VideoInfo | ClipFault:
        """The video stream, or what is wrong with the file as far as its header shows."""
        if self.path is None:
            return ClipFault(reason="missing", message=f"no file named {self.expected} is there")
        try:
            info = probe(self.path)
        except MediaError as exc:
            if is_of_this_machine(exc):
                raise
            return ClipFault(reason="unreadable", message=str(exc))
        if info.video is None:
            return ClipFault(reason="no picture", message=f"{self.path.name}: holds no moving picture")
        if info.audio is None:
            return ClipFault(reason="no sound", message=f"{self.path.name}: holds no sound")
        return info.video

    def frame_size(self) -> tuple[int, int]:
        """Height and width of the upright frame.

        Raises:
            MediaError: If the video cannot be read, or has no video stream.
        """
        info = probe(self._there()).video
        if info is None:
            raise MediaError(f"{self._there().name}: has no video stream.")
        return info.height, info.width

    def video(
        self,
        *,
        fps: Seconds | FrameRate,
        size: tuple[int, int] | None = None,
        start: Seconds = 0.0,
        duration: Seconds | None = None,
        window: Window | None = None,
    ) -> Video:
        """As :func:`cinefoley.media.load_video`; a window is cut out of every source frame first."""
        crop = None if window is None else follow_window(window, self._there())
        return load_video(self._there(), fps, size, start, duration, crop=crop)

    def waveform(self, sample_rate: int, *, start: Seconds = 0.0, duration: Seconds | None = None) -> Tensor:
        """The video's audio, channels averaged, ``(N,)``."""
        sound, _ = read_audio(
            self._there(), sample_rate=sample_rate, mono=True, start=start, duration=duration
        )
        return sound[0]

    def _there(self) -> Path:
        if self.path is None:
            raise MediaError(f"{self.id}: no file named {self.expected} is there.")
        return self.path


class FolderSource(ListedSource[FileClip]):
    """The videos of one folder.

    Args:
        folder: Where the videos are; subfolders are not searched.
        csv: A split CSV that :func:`read_split` reads; None uses every video, without labels.
        split: Only rows of this split, if the split CSV names splits; None uses all.
        label_names: The labels that may occur; None means those of the split CSV, sorted.
        events: Labels and events by clip id, as
            :func:`~cinefoley.data.events.event_file.read_annotations` returns them.

    Raises:
        DataError: If folder or split CSV cannot be used, no video is found, or a row has an unknown label.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        csv: str | os.PathLike[str] | None = None,
        split: str | None = None,
        label_names: Sequence[str] | None = None,
        events: Mapping[str, Annotation] | None = None,
    ) -> None:
        folder = Path(folder)
        videos = ClipFolder(folder)
        known = events or {}
        if csv is None:
            super().__init__(
                folder, [_listed_nowhere(path) for path in videos.videos()], tuple(label_names or ())
            )
            return
        whole = read_split(csv, label_names=label_names)
        rows = _chosen(whole, Path(csv), split)
        found = videos.find_all(rows, listed={row.id for row in whole})
        if not any(found.values()):
            raise DataError(
                f"{folder}: holds none of the {len(rows)} clips of {Path(csv).name} (looked for "
                f"names such as {candidate_stems(rows[0])[0]}.mp4). Name the folder that holds them."
            )
        clips = [_listed(row, found[row.id], known.get(row.id)) for row in rows]
        heard = {label for clip in clips for label in clip.labels}
        super().__init__(folder, clips, tuple(sorted(heard) if label_names is None else label_names))

    def __getitem__(self, index: int) -> FileClip:
        """The clip of row ``index``; its video is not opened."""
        return self.rows[index]

    def _fingerprint(self, row: FileClip, digest_of: FileDigest) -> str:
        """From the video's bytes, its labels and its events."""
        try:
            content = "missing" if row.path is None else digest_of(row.path)
        except MediaError as exc:
            if is_of_this_machine(exc):
                raise
            content = "unreadable"
        return hashlib.sha256(
            json.dumps([content, row.labels, events_as_json(row.events)]).encode()
        ).hexdigest()


def find_export(folder: Path, split: str) -> tuple[Path, Path] | None:
    """Split CSV and event file of a split of a stage export; None if the folder has no such export."""
    settings = folder / f"{split}.settings.json"
    try:
        content = json.loads(settings.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or "stage" not in content:
        return None
    rows, events = folder / f"{split}.csv", folder / f"{split}.events.jsonl"
    if not (rows.is_file() and events.is_file()):
        raise DataError(
            f"{folder}: the export of the split {split!r} is unfinished. "
            "Run the same `cinefoley stage export` again."
        )
    return rows, events


def exported_splits(folder: Path) -> list[str]:
    """The splits of which a folder has a stage export."""
    names = sorted(path.name.removesuffix(".settings.json") for path in folder.glob("*.settings.json"))
    return [name for name in names if find_export(folder, name) is not None]


def _chosen(rows: list[SplitRow], csv: Path, split: str | None) -> list[SplitRow]:
    """Rows of one split; all rows if the split CSV names no splits."""
    if split is None or not any(row.split for row in rows):
        return rows
    kept = [row for row in rows if row.split == split]
    if not kept:
        found = ", ".join(sorted({row.split or "(none)" for row in rows}))
        raise DataError(
            f"{csv.name}: no row names a clip of the split {split!r} (found {found}). Name one with --split."
        )
    return kept


def _listed(row: SplitRow, path: Path | None, known: Annotation | None) -> FileClip:
    return FileClip(
        id=row.id,
        path=path,
        expected=" or ".join(candidate_stems(row)),
        labels=known.labels if known else (row.label,) if row.label else (),
        events=known.events if known else None,
    )


def _listed_nowhere(path: Path) -> FileClip:
    return FileClip(id=path.stem, path=path, expected=path.name)
