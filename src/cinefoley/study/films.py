"""The films of a study: the same names in every folder, and all of them fit to be compared in a browser."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinefoley.errors import MediaError, StudyError
from cinefoley.media.muxing.replace_audio import video_hash
from cinefoley.media.probe import MediaInfo, probe
from cinefoley.media.timing import video_duration
from cinefoley.study.definition import StudySettings

__all__ = ["CONTENT_TYPES", "Film", "StudyFilms", "find_films"]

CONTENT_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}
"""What browsers play, by suffix."""

_PICTURES = {".webm": ("vp8", "vp9", "av1")}
_MP4_PICTURES = ("h264", "av1", "vp9")
_SOUNDS = {".webm": ("opus", "vorbis")}
_MP4_SOUNDS = ("aac", "mp3", "opus", "flac")
_SAME_LENGTH_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A film with one method's sound."""

    path: Path
    """The file."""
    duration_s: float
    """Seconds of its picture."""
    content_type: str
    """What a browser is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFilms:
    """Every film of a study."""

    clips: Sequence[str]
    """File names, the same in every method's folder, sorted."""
    films: Mapping[tuple[str, str], Film]
    """By method and clip."""
    checks: Sequence[str] = ()
    """File names of the attention checks, sorted."""
    check_films: Mapping[tuple[bool, str], Film]
    """By whether the sound fits, and check."""

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file, by ``method/clip``: votes belong to these films and no others."""
        named = {f"{method}/{clip}": film for (method, clip), film in self.films.items()}
        named |= {f"check {fits}/{clip}": film for (fits, clip), film in self.check_films.items()}
        return {name: _sha256(film.path) for name, film in sorted(named.items())}


def find_films(study: StudySettings) -> StudyFilms:
    """Find and check the films of a study.

    Hidden files and files that are no films are left alone; folders are not searched deeper.

    Args:
        study: Its settings.

    Raises:
        StudyError: If a folder is missing or empty, the folders hold different films, a film cannot be
            played in a browser or has no sound, or the films of a clip differ in length or picture.
    """
    clips = _common_names(study.path, study.methods)
    films = {
        (method, clip): _open(folder / clip) for method, folder in study.methods.items() for clip in clips
    }
    for clip in clips:
        _check_alike([films[method, clip] for method in study.methods], same_picture=study.same_picture)
    attention = study.attention
    if attention is None:
        return StudyFilms(clips=clips, films=films, check_films={})
    sides = {True: attention.better, False: attention.worse}
    checks = _common_names(study.path, {str(folder): folder for folder in sides.values()})
    if len(checks) < attention.per_participant:
        raise StudyError(
            f"{study.path}: attention.per_participant is {attention.per_participant}, but {attention.better} "
            f"holds {len(checks)}. Add films, or ask for fewer."
        )
    check_films = {(fits, clip): _open(folder / clip) for fits, folder in sides.items() for clip in checks}
    for clip in checks:
        _check_alike([check_films[fits, clip] for fits in sides], same_picture=study.same_picture)
    return StudyFilms(clips=clips, films=films, checks=checks, check_films=check_films)


def _common_names(study: Path, folders: Mapping[str, Path]) -> list[str]:
    found = {name: _film_names(folder) for name, folder in folders.items()}
    all_names = set().union(*found.values())
    for name, names in found.items():
        lacking = sorted(all_names - names)
        if lacking:
            first = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
            raise StudyError(
                f"{study}: {folders[name]} lacks {len(lacking)} of {len(all_names)} films that other folders "
                f"hold ({first}). All folders need the same file names: add these, or remove them elsewhere."
            )
    return sorted(all_names)


def _film_names(folder: Path) -> set[str]:
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such folder; expected one with a method's films.")
    names = {
        path.name
        for path in folder.iterdir()
        if path.suffix.lower() in CONTENT_TYPES and not path.name.startswith(".") and path.is_file()
    }
    if not names:
        raise StudyError(f"{folder}: no film in this folder. Browsers play {', '.join(CONTENT_TYPES)}.")
    return names


def _open(path: Path) -> Film:
    suffix = path.suffix.lower()
    try:
        info = probe(path)
        _check_playable(info, suffix)
        return Film(path=path, duration_s=video_duration(path), content_type=CONTENT_TYPES[suffix])
    except MediaError as exc:
        raise StudyError(f"{path}: cannot be part of a study. {exc}") from exc


def _check_playable(info: MediaInfo, suffix: str) -> None:
    pictures, sounds = _PICTURES.get(suffix, _MP4_PICTURES), _SOUNDS.get(suffix, _MP4_SOUNDS)
    if info.video is None or info.audio is None:
        missing = "picture" if info.video is None else "sound"
        raise StudyError(f"{info.path}: has no {missing}; a study compares films with sound.")
    if info.video.codec not in pictures or info.audio.codec not in sounds:
        raise StudyError(
            f"{info.path}: holds {info.video.codec} and {info.audio.codec}, which not every browser plays in "
            f"{suffix}. Expected {' or '.join(pictures)} with {' or '.join(sounds)}."
        )


def _check_alike(films: Sequence[Film], *, same_picture: bool) -> None:
    first = films[0]
    for other in films[1:]:
        if abs(other.duration_s - first.duration_s) > _SAME_LENGTH_S:
            raise StudyError(
                f"{other.path}: lasts {other.duration_s:.2f} s, but {first.path} {first.duration_s:.2f} s. "
                "Films of one clip must be equally long."
            )
        if same_picture and video_hash(other.path) != video_hash(first.path):
            raise StudyError(
                f"{other.path}: has another picture than {first.path}, so votes would not be about the sound "
                "alone. Mux both from one film, or set same_picture = false."
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
