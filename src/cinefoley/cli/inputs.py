"""From arguments to films: files, folders and patterns."""

import glob
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from cinefoley.errors import MediaError, OutputError

__all__ = ["check_stems_differ", "find_films"]

_FILM_SUFFIXES = {
    *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
    *(".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
}
_TAKE = re.compile(r"(?P<film>.+)\.take\d+")


def find_films(arguments: Sequence[str]) -> list[Path]:
    """Turn arguments into films, in their order, each once.

    A folder stands for the films in it (not in folders below), sorted by name; a pattern that the shell has
    left alone for what it matches. Takes that cinefoley has made are no films there, unless named. A path
    that does not exist is kept: whoever opens it says so.

    Args:
        arguments: Paths and patterns.

    Raises:
        MediaError: If a folder or a pattern stands for nothing.
    """
    found = [film for argument in arguments for film in _expand(argument)]
    return list(dict.fromkeys(found))


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


def _expand(argument: str) -> list[Path]:
    path = Path(argument).expanduser()
    if path.is_dir():
        films = _films_among(path.iterdir())
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


def _films_among(paths: Iterable[Path]) -> list[Path]:
    films = {path for path in paths if path.suffix.lower() in _FILM_SUFFIXES and path.is_file()}
    return sorted(film for film in films if not film.name.startswith(".") and not _is_our_take(film))


def _is_our_take(film: Path) -> bool:
    match = _TAKE.fullmatch(film.stem)
    return match is not None and film.with_name(f"{match['film']}.json").exists()
