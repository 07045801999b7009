"""Folders of sounds and videos that ``cinefoley evaluate`` compares: files, shards, test sets, datasets."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cinefoley.cli.inputs import are_shards, find_view, unshard
from cinefoley.errors import DataError

if TYPE_CHECKING:
    from cinefoley.evaluation.folder.sounds import Sounds

__all__ = ["open_reference", "open_sounds", "open_videos"]


def open_sounds(folder: Path) -> "Path | Sounds":
    """Generated sounds: a folder of files, or shards of takes, which are read where they are.

    Raises:
        DataError: If shards or a test set are unfinished or damaged.
    """
    from cinefoley.data.shards.take_shards import take_sounds
    from cinefoley.evaluation.folder.sounds import Sounds

    stored = take_sounds(folder)
    return open_reference(folder) if stored is None else Sounds(str(folder), stored)


def open_reference(folder: Path, *, split: str | None = None, csv: Path | None = None) -> "Path | Sounds":
    """Real sounds: a folder of files, the clips of shards, of a test set or of a dataset's split.

    Args:
        folder: The folder.
        split: Only clips of this split; of a folder of videos, the split CSV names them.
        csv: Split CSV of a folder of videos.

    Raises:
        DataError: If there is no such split, or shards or a test set are unfinished or damaged.
        OutputError: If shards cannot be unpacked into the cache.
    """
    if are_shards(folder):
        return unshard(folder, sounds_only=True, split=split)
    return _open_files(folder, split, csv)


def open_videos(folder: Path, *, split: str | None = None, csv: Path | None = None) -> "Path | Sounds":
    """Videos, from the same kinds of folders.

    Raises:
        DataError: As :func:`open_reference`; also for a test set of windows, which has no videos.
        OutputError: If shards cannot be unpacked into the cache.
    """
    if are_shards(folder):
        return unshard(folder, split=split)
    if find_view(folder) is not None:
        raise DataError(
            f"{folder}: this test set contains windows and no videos. Name the whole clips, whose features "
            "the paper's Align Acc uses, or build the set without --view."
        )
    return _open_files(folder, split, csv)


def _open_files(folder: Path, split: str | None, csv: Path | None) -> "Path | Sounds":
    from cinefoley.evaluation.folder.sounds import Sounds

    if (folder / "test_set.json").is_file():
        if split is not None or csv is not None:
            raise typer.BadParameter(
                f"{folder} is a test set, of one split already: leave out --split and --csv."
            )
        return _open_test_set(folder)
    if split is None and csv is None:
        return folder
    from cinefoley.data.source_argument import open_clip_source
    from cinefoley.data.sources.folder import FolderSource

    source = open_clip_source(str(folder), csv=csv, split=split or "test")
    if not isinstance(source, FolderSource):
        raise typer.BadParameter(f"--split and --csv choose clips of a folder of videos, got {folder}.")
    paths = (source[number].path for number in range(len(source)))
    return Sounds(f"{folder} ({split or 'test'})", {path.stem: path for path in paths if path is not None})


def _open_test_set(folder: Path) -> "Path | Sounds":
    """The videos of a test set; of windows, the original clips, whose sound is the same."""
    from cinefoley.data.test_sets.test_set import SetLayout
    from cinefoley.evaluation.folder.sounds import Sounds

    view = find_view(folder)
    if view is None:
        return SetLayout(folder).videos
    if any(clip.clip is not None for clip in view.clips):
        shards = Path(str(view.settings["clips_folder"]))
        sounds = unshard(shards, sounds_only=True)
        paths = {clip.source_path.stem: sounds / f"{clip.source_path.stem}.flac" for clip in view.clips}
        return Sounds(str(folder), paths)
    return Sounds(str(folder), {clip.source_path.stem: clip.source_path for clip in view.clips})
