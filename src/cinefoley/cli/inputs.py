"""From arguments to films: files, folders and patterns."""

import glob
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cinefoley.cli.progress import progress_bar
from cinefoley.errors import MediaError, OutputError

if TYPE_CHECKING:
    from cinefoley.pipelines.takes.video_source import VideoSource

__all__ = ["are_shards", "check_stems_differ", "find_films", "find_takeable", "unshard"]

_FILM_SUFFIXES = {
    *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
    *(".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
}
_TAKE = re.compile(r"(?P<film>.+)\.take\d+")


def find_films(arguments: Sequence[str]) -> list[Path]:
    """Turn arguments into films, in their order, each once.

    A folder stands for the films in it (not in folders below), sorted by name, a test set of ``cinefoley
    vary`` for its films; a pattern that the shell has left alone for what it matches. Takes that cinefoley
    has made are no films there, unless named. A path that does not exist is kept: whoever opens it says so.

    Args:
        arguments: Paths and patterns.

    Raises:
        MediaError: If a folder or a pattern stands for nothing.
        DataError: If a test set's settings are damaged.
    """
    found = [film for argument in arguments for film in _expand(argument)]
    return list(dict.fromkeys(found))


def find_takeable(arguments: Sequence[str]) -> list["VideoSource"]:
    """Turn arguments into what takes are generated for, in their order, each once.

    As :func:`find_films`, but that a folder of shards stands for its clips: those of the split ``test``, if
    it has one.

    Args:
        arguments: Paths and patterns.

    Raises:
        DataError: If shards are unfinished or damaged.
        MediaError: If a folder or a pattern stands for nothing, or a shard is gone.
    """
    from cinefoley.data.shards.source import open_test_shards
    from cinefoley.pipelines.takes.video_source import ShardVideo, VideoFile

    found: list[VideoSource] = []
    for argument in arguments:
        source = open_test_shards(Path(argument).expanduser())
        if source is None:
            found += [VideoFile(film) for film in find_films([argument])]
        else:
            found += [ShardVideo.of(source[number]) for number in range(len(source))]
    return list({film.path: film for film in found}.values())


def are_shards(folder: Path) -> bool:
    """Whether ``cinefoley data prepare`` has made a folder; found without importing anything slow."""
    return (folder / "shards.json").is_file()


def check_stems_differ(films: Iterable[Path]) -> None:
    """Refuse films whose takes would have the same names.

    Raises:
        OutputError: If two films differ only in folder or suffix; names both.
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


def unshard(folder: Path, *, sounds_only: bool = False) -> Path:
    """A folder of files where a folder of shards is named: its clips are unpacked into the cache once.

    Args:
        folder: Any folder; what is none of shards is given back as it is.
        sounds_only: Whether FLAC files are enough; else films.

    Raises:
        DataError: If the shards are unfinished or damaged.
        OutputError: If they cannot be unpacked.
    """
    if not are_shards(folder):
        return folder
    from cinefoley.data.cache.extracted_shards import extract_audio, extract_videos
    from cinefoley.data.shards.source import open_test_shards
    from cinefoley.models.importing.published import cache_home

    source = open_test_shards(folder)
    if source is None:
        return folder
    with progress_bar(1, is_wanted=True) as bar:
        step = bar.film(0, f"unpacking {folder.name}")
        cache = cache_home() / "shards"
        if sounds_only:
            return extract_audio(source, cache, on_clip=step)
        return extract_videos(source, cache, on_clip=step)[0]


def _expand(argument: str) -> list[Path]:
    path = Path(argument).expanduser()
    if path.is_dir():
        films = _films_among(path.iterdir()) or _films_of_set(path)
        if not films:
            raise MediaError(f"{path}: no film in this folder. Name a film, or a folder that holds some.")
        return films
    if path.exists() or not glob.has_magic(argument):
        return [path]
    matches = glob.glob(str(path), recursive=True)  # noqa: PTH207  # Path.glob takes no absolute patterns
    films = _films_among(Path(match) for match in matches)
    if not films:
        raise MediaError(f"{argument}: no film matches this pattern.")
    return films


def _films_of_set(folder: Path) -> list[Path]:
    if not (folder / "test_set.json").is_file():  # asked first: the import takes a while
        return []
    from cinefoley.data.test_sets.test_set import SetLayout

    layout = SetLayout(folder)
    settings = layout.read_settings()
    if settings is not None and settings.get("is_view"):
        raise MediaError(
            f"{folder}: a test set that records windows and holds no films. Build it without --view."
        )
    return _films_among(layout.films.iterdir()) if layout.films.is_dir() else []


def _films_among(paths: Iterable[Path]) -> list[Path]:
    films = {path for path in paths if path.suffix.lower() in _FILM_SUFFIXES and path.is_file()}
    return sorted(film for film in films if not film.name.startswith(".") and not _is_our_take(film))


def _is_our_take(film: Path) -> bool:
    match = _TAKE.fullmatch(film.stem)
    return match is not None and film.with_name(f"{match['film']}.json").exists()
