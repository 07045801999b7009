"""Find videos and shards from command-line arguments: files, folders and patterns."""

import glob
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cinefoley.cli.progress import step_bar
from cinefoley.errors import MediaError, OutputError

if TYPE_CHECKING:
    from cinefoley.data.test_sets.test_set import VariedSet
    from cinefoley.pipelines.takes.video_source import VideoSource

__all__ = [
    "are_shards",
    "check_stems_differ",
    "find_generation_inputs",
    "find_videos",
    "find_view",
    "unshard",
]

_VIDEO_SUFFIXES = {
    *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
    *(".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
}
_TAKE = re.compile(r"(?P<video>.+)\.take\d+")


def find_videos(arguments: Sequence[str]) -> list[Path]:
    """Find videos, in the order of the arguments, each once.

    A folder stands for the videos in it (not in its sub-folders), sorted by name; a test set of ``cinefoley
    vary`` for its videos; a pattern that the shell has not expanded for the videos that match. Takes that
    cinefoley wrote are found only by name. A path that does not exist is returned too.

    Args:
        arguments: Paths and patterns.

    Raises:
        MediaError: If a folder or a pattern contains no video.
        DataError: If a test set's settings are damaged.
    """
    found = [film for argument in arguments for film in _expand(argument)]
    return list(dict.fromkeys(found))


def find_generation_inputs(arguments: Sequence[str]) -> list["VideoSource"]:
    """Find videos and clips to generate takes for, in the order of the arguments, each once.

    As :func:`find_videos`, but a folder of shards stands for its clips: those of the split ``test``, if there
    is one. A test set of windows stands for its clips, seen through their windows.

    Args:
        arguments: Paths and patterns.

    Raises:
        DataError: If shards are unfinished or damaged.
        MediaError: If a folder or a pattern contains no video, or a shard is missing.
    """
    from cinefoley.data.shards.source import open_test_shards
    from cinefoley.pipelines.takes.video_source import ShardVideo, VideoFile, ViewVideo

    found: list[VideoSource] = []
    for argument in arguments:
        folder = Path(argument).expanduser()
        source, view = open_test_shards(folder), find_view(folder)
        if source is not None:
            found += [ShardVideo.of(source[number]) for number in range(len(source))]
        elif view is not None:
            found += [ViewVideo(clip) for clip in view.clips]
        else:
            found += [VideoFile(video) for video in find_videos([argument])]
    return list({video.path: video for video in found}.values())


def find_view(folder: Path) -> "VariedSet | None":
    """A test set that contains windows and no videos; None for any other path.

    Raises:
        DataError: If the set is unfinished or damaged.
    """
    if not (folder / "test_set.json").is_file():  # checked first: the import is slow
        return None
    from cinefoley.data.test_sets.test_set import read_test_set

    found = read_test_set(folder)
    return found if found.is_view else None


def are_shards(folder: Path) -> bool:
    """Whether a folder contains shards; answered without slow imports."""
    return (folder / "shards.json").is_file()


def check_stems_differ(films: Iterable[Path]) -> None:
    """Check that the takes of videos have different names.

    Raises:
        OutputError: If two videos differ only in folder or suffix; names both.
    """
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for film in films:
        by_stem[film.stem.casefold()].append(film)
    for first, *others in by_stem.values():
        if others:
            raise OutputError(
                f"{first} and {others[0]} would both write {first.stem}.take1.wav. "
                "Generate them in two runs with different -o, or rename one."
            )


def unshard(folder: Path, *, sounds_only: bool = False, split: str | None = None) -> Path:
    """Unpack a folder of shards into the cache, once.

    Args:
        folder: Folder of shards; any other folder is returned as it is.
        sounds_only: Whether to unpack FLAC files; else videos.
        split: Only clips of this split; None: of ``test``, if there are any, else all.

    Returns:
        Folder of audio or video files.

    Raises:
        DataError: If the shards are incomplete or damaged.
        OutputError: If they cannot be unpacked.
    """
    if not are_shards(folder):
        return folder
    from cinefoley.data.cache.extracted_shards import extract_audio, extract_videos
    from cinefoley.data.shards.source import ShardSource, open_test_shards
    from cinefoley.models.importing.published import cache_home

    source = open_test_shards(folder) if split is None else ShardSource(folder, split=split)
    if source is None:
        return folder
    with step_bar(f"unpacking {folder.name}") as step:
        cache = cache_home() / "shards"
        if sounds_only:
            return extract_audio(source, cache, on_clip=step)
        return extract_videos(source, cache, on_clip=step)[0]


def _expand(argument: str) -> list[Path]:
    path = Path(argument).expanduser()
    if path.is_dir():
        videos = _videos_among(path.iterdir()) or _videos_of_set(path)
        if not videos:
            raise MediaError(
                f"{path}: no video in this folder. Name a video, or a folder that contains some."
            )
        return videos
    if path.exists() or not glob.has_magic(argument):
        return [path]
    matches = glob.glob(str(path), recursive=True)  # noqa: PTH207  # Path.glob takes no absolute patterns
    videos = _videos_among(Path(match) for match in matches)
    if not videos:
        raise MediaError(f"{argument}: no video matches this pattern.")
    return videos


def _videos_of_set(folder: Path) -> list[Path]:
    if not (folder / "test_set.json").is_file():  # checked first: the import is slow
        return []
    from cinefoley.data.test_sets.test_set import SetLayout

    layout = SetLayout(folder)
    settings = layout.read_settings()
    if settings is not None and settings.get("is_view"):
        raise MediaError(f"{folder}: this test set contains windows and no videos. Build it without --view.")
    return _videos_among(layout.videos.iterdir()) if layout.videos.is_dir() else []


def _videos_among(paths: Iterable[Path]) -> list[Path]:
    videos = {path for path in paths if path.suffix.lower() in _VIDEO_SUFFIXES and path.is_file()}
    return sorted(video for video in videos if not video.name.startswith(".") and not _is_our_take(video))


def _is_our_take(video: Path) -> bool:
    match = _TAKE.fullmatch(video.stem)
    return match is not None and video.with_name(f"{match['video']}.json").exists()
