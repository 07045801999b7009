"""Test set on disk: settings, manifest, ledger and videos; read as varied clips."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinefoley.config.frame_rate import FrameRate
from cinefoley.data.json_lines import Record, read_about, read_records
from cinefoley.data.shards.source import ShardClip, ShardSource
from cinefoley.errors import DataError, MediaError
from cinefoley.media.frames.crop import Crop, FrameChange
from cinefoley.media.frames.video import Video, load_video
from cinefoley.media.sections import Seconds
from cinefoley.variations.videos import follow_window
from cinefoley.variations.window import Window

__all__ = ["SET_KIND", "SetLayout", "VariedClip", "VariedSet", "read_test_set"]

SET_KIND = "cinefoley test set"


@dataclass(frozen=True, slots=True)
class SetLayout:
    """The files of a test set."""

    folder: Path
    """The set's folder."""

    @property
    def settings(self) -> Path:
        """Settings: variation, seed, digest of the split CSV."""
        return self.folder / "test_set.json"

    @property
    def manifest(self) -> Path:
        """A line for each clip of a finished set, in order of the ids."""
        return self.folder / "manifest.jsonl"

    @property
    def ledger(self) -> Path:
        """A line for each clip of the split CSV that is not in the set."""
        return self.folder / "ledger.jsonl"

    @property
    def events(self) -> Path:
        """A line for each clip whose events are known: what the window shows of them."""
        return self.folder / "events.jsonl"

    @property
    def progress(self) -> Path:
        """Lines of finished clips while the set is being built."""
        return self.folder / "progress.jsonl"

    @property
    def videos(self) -> Path:
        """The folder of the videos."""
        return self.folder / "clips"

    def read_settings(self) -> Record | None:
        """The settings; None where there is no test set.

        Raises:
            DataError: If the file is damaged.
        """
        return read_about(self.settings, kind=SET_KIND, hint="Build the set again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class VariedClip:
    """One clip of a test set, and how it is shown."""

    id: str
    """As in the split CSV."""
    label: str
    """What makes sound."""
    window: Window
    """What is shown."""
    source_path: Path
    """The original clip, with its audio."""
    video_path: Path | None
    """The video of the window; None in a view."""
    record: Record
    """The whole line of the manifest: start, split, seed, digests, warnings."""
    clip: ShardClip | None = None
    """The clip, if it is in a shard; None if it is a video file."""

    @property
    def path(self) -> Path:
        """The file whose frames are shown: the video, or the clip that a view looks at."""
        return self.source_path if self.video_path is None else self.video_path

    def crop(self) -> Crop | FrameChange | None:
        """What ``load_video`` and ``stream_windows`` need as ``crop`` when they read :attr:`path`.

        Raises:
            MediaError: If the clip cannot be read, or is not a file: a view of shards is read by
                :meth:`load_video` alone.
        """
        if self.video_path is not None:
            return None
        if self.clip is not None:
            raise MediaError(f"{self.id}: is a clip of shards, not a file. Build the set without --view.")
        return follow_window(self.window, self.source_path)

    def load_video(
        self,
        fps: Seconds | FrameRate = 4,
        size: tuple[int, int] | None = None,
        start: Seconds = 0.0,
        duration: Seconds | None = None,
    ) -> Video:
        """Read what the test set shows, from the video or through the view.

        Args:
            fps: As for :func:`cinefoley.media.load_video`, like all that follow.
            size: Height and width to squash to, after the crop.
            start: Seconds from the first frame.
            duration: Seconds to read.

        Raises:
            MediaError: If the file cannot be read.
            ValueError: If a number is out of range.
        """
        if self.video_path is None and self.clip is not None:
            return self.clip.video(fps=fps, size=size, start=start, duration=duration, window=self.window)
        return load_video(self.path, fps, size, start, duration, crop=self.crop())


@dataclass(frozen=True, slots=True, kw_only=True)
class VariedSet:
    """A finished test set."""

    folder: Path
    """Folder of the set."""
    settings: Record
    """The variation, the seed, whether it is a view, versions."""
    clips: tuple[VariedClip, ...]
    """In order of their ids."""
    ledger: tuple[Record, ...]
    """Skipped clips of the split CSV: ``id``, ``reason`` (missing or unreadable), ``message``."""

    @property
    def events_path(self) -> Path | None:
        """Known events of the clips, for ``cinefoley evaluate --events``; None if there are none."""
        path = SetLayout(self.folder).events
        return path if path.is_file() else None

    @property
    def is_view(self) -> bool:
        """Whether there are windows only, and no videos."""
        return bool(self.settings["is_view"])


def read_test_set(
    folder: str | os.PathLike[str], *, clips: str | os.PathLike[str] | None = None
) -> VariedSet:
    """Open a test set that ``cinefoley vary SPLIT.csv`` has built, with videos or as a view.

    Args:
        folder: The set's folder.
        clips: Where the original clips are now; None means where they were.

    Returns:
        The set. Videos and clips are not opened yet.

    Raises:
        DataError: If the folder holds no test set, an unfinished one, or a damaged one.

    Examples:
        >>> for clip in read_test_set("vgg-cu").clips:  # doctest: +SKIP
        ...     frames = clip.load_video(fps=4, size=(224, 224)).frames
    """
    layout = SetLayout(Path(folder))
    settings = layout.read_settings()
    if settings is None:
        raise DataError(
            f"{folder}: holds no test set ({layout.settings.name} is missing). "
            "Build one with `cinefoley vary SPLIT.csv`."
        )
    if layout.progress.exists() or not layout.manifest.exists():
        raise DataError(f"{folder}: the test set is unfinished. Run the same command again.")
    try:
        source = Path(settings["clips_folder"] if clips is None else clips)
        videos = None if settings["is_view"] else layout.videos
        kept = _clips_of_shards(source) if settings.get("are_shards") else {}
        found = tuple(
            _clip(record, source, videos, kept.get(record["id"])) for record in read_records(layout.manifest)
        )
        ledger = tuple(read_records(layout.ledger))
    except (KeyError, TypeError, ValueError, OSError) as exc:
        raise DataError(f"{folder}: the test set is damaged ({exc}). Build it again.") from exc
    return VariedSet(folder=layout.folder, settings=settings, clips=found, ledger=ledger)


def _clips_of_shards(folder: Path) -> dict[str, ShardClip]:
    whole = ShardSource(folder)
    return {clip.id: clip for clip in map(whole.__getitem__, range(len(whole)))}


def _clip(record: dict[str, Any], source: Path, videos: Path | None, clip: ShardClip | None) -> VariedClip:
    return VariedClip(
        id=record["id"],
        label=record["label"],
        window=Window.from_dict(record["window"]),
        source_path=source / record["source"],
        video_path=None if videos is None else videos / record["film"],
        record=record,
        clip=clip,
    )
