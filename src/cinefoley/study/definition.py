"""Settings of a listening study: read and check ``STUDY.toml``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from cinefoley.errors import StudyError

__all__ = ["AttentionSettings", "StudySettings", "load_study"]

_CONSENT = (
    "You will watch pairs of short videos. The videos of a pair differ only in their sound, and you choose "
    "the one whose sound fits the video better. Your answers are stored without your name or address. You "
    "can stop at any time, and delete your answers on the same page."
)
_REASONS = (
    "in time with the picture",
    "the right kind of sound",
    "nothing extra, nothing missing",
    "sound quality",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionSettings:
    """Attention checks: trials with a known answer."""

    better: Path
    """Folder of videos with a fitting sound, such as the real one."""
    worse: Path
    """Folder of videos with the same names and a sound that does not fit."""
    per_participant: int = 2
    """Number of attention checks per participant."""
    most_failures: int = 0
    """Participants who fail more attention checks are excluded from the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySettings:
    """Settings of a study."""

    path: Path
    """The TOML file."""
    methods: Mapping[str, Path]
    """Folder of videos by name of the method; participants do not see the names."""
    title: str = "Which sound fits the video?"
    """Heading of every page."""
    question: str = "Which sound fits the video better?"
    """Question after both videos were watched."""
    consent: str = _CONSENT
    """Text that participants agree to; paragraphs are separated by empty lines."""
    contact: str = ""
    """Contact for questions, shown with the consent text."""
    reasons: tuple[str, ...] = _REASONS
    """Reasons that can be chosen with a vote."""
    asks_for_comment: bool = True
    """Whether a comment can be written with a vote."""
    pairs_per_participant: int | None = None
    """Number of pairs per participant; None: all."""
    participants: int | None = None
    """Maximum number of participants; None: no limit."""
    closes: datetime | None = None
    """End of the study; a date without time means the end of that day, in UTC."""
    same_picture: bool = True
    """Whether the video streams of all methods must be identical, bit for bit."""
    attention: AttentionSettings | None = None
    """Attention checks; None: no checks."""
    seed: int = 0
    """Random seed of the order of pairs and of the sides."""

    def __post_init__(self) -> None:
        if len(self.methods) < 2:
            found = ", ".join(self.methods) or "none"
            raise StudyError(
                f"{self.path}: a study compares at least two methods, found {len(self.methods)} ({found}). "
                'Add another line to [methods], such as student = "videos/student".'
            )
        for name, least in (("pairs_per_participant", 1), ("participants", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise StudyError(f"{self.path}: {name} must be at least {least}, got {value}.")
        if self.attention is not None and self.attention.per_participant < 1:
            raise StudyError(
                f"{self.path}: attention.per_participant must be at least 1; leave [attention] out for none."
            )
        if self.attention is not None and self.attention.most_failures < 0:
            failures = self.attention.most_failures
            raise StudyError(f"{self.path}: attention.most_failures must be at least 0, got {failures}.")


def load_study(path: Path) -> StudySettings:
    """Read the settings of a study. Folders are relative to the file.

    Args:
        path: A TOML file with the keys of :class:`StudySettings`, at least ``[methods]``.

    Raises:
        StudyError: If the file is missing or not valid TOML, or has an unknown key or an invalid value.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise StudyError(f"{path}: cannot be read ({exc.strerror}). Expected a study's TOML file.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise StudyError(f"{path}: not valid TOML ({exc}). See docs/study.md for an example.") from exc
    folder = path.parent
    kinds = _KINDS | {"methods": dict, "attention": dict}
    _check_keys(path, "", content, kinds)
    settings: dict[str, Any] = {key: content[key] for key in _KINDS if key in content}
    settings["methods"] = _folders(path, folder, content.get("methods", {}))
    if "reasons" in settings:
        settings["reasons"] = _texts(path, settings["reasons"])
    if "closes" in settings:
        settings["closes"] = _moment(settings["closes"])
    if "attention" in content:
        settings["attention"] = _attention(path, folder, content["attention"])
    return StudySettings(path=path, **settings)


_KINDS: dict[str, type | tuple[type, ...]] = {
    "title": str,
    "question": str,
    "consent": str,
    "contact": str,
    "reasons": list,
    "asks_for_comment": bool,
    "pairs_per_participant": int,
    "participants": int,
    "closes": (datetime, date),
    "same_picture": bool,
    "seed": int,
}
_ATTENTION_KINDS: dict[str, type | tuple[type, ...]] = {
    "better": str,
    "worse": str,
    "per_participant": int,
    "most_failures": int,
}


def _check_keys(
    path: Path, prefix: str, content: Mapping[str, Any], kinds: Mapping[str, type | tuple[type, ...]]
) -> None:
    for key, value in content.items():
        if key not in kinds:
            raise StudyError(f"{path}: unknown key '{prefix}{key}'; known keys: {', '.join(kinds)}.")
        kind = kinds[key]
        # a bool is an int in Python, but not a valid number here
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            wanted = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
            raise StudyError(f"{path}: {prefix}{key} must be of type {wanted}, got {value!r}.")


def _folders(path: Path, folder: Path, methods: Mapping[str, Any]) -> dict[str, Path]:
    for name, value in methods.items():
        if not isinstance(value, str) or not name.strip():
            raise StudyError(
                f'{path}: [methods] must contain lines name = "folder", got {name!r} = {value!r}.'
            )
    found = {name: folder / value for name, value in methods.items()}
    resolved = {name: place.resolve() for name, place in found.items()}
    if len(set(resolved.values())) < len(resolved):
        raise StudyError(f"{path}: two methods have the same folder, so that their videos cannot differ.")
    return found


def _texts(path: Path, reasons: list[Any]) -> tuple[str, ...]:
    if not all(isinstance(reason, str) and reason.strip() for reason in reasons):
        raise StudyError(f"{path}: reasons must be a list of texts, got {reasons!r}.")
    if len(set(reasons)) < len(reasons):
        raise StudyError(f"{path}: a reason is listed twice: {reasons!r}.")
    return tuple(reasons)


def _moment(value: date) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time.max, tzinfo=UTC)


def _attention(path: Path, folder: Path, content: Mapping[str, Any]) -> AttentionSettings:
    _check_keys(path, "attention.", content, _ATTENTION_KINDS)
    missing = [key for key in ("better", "worse") if key not in content]
    if missing:
        raise StudyError(f"{path}: [attention] needs {' and '.join(missing)}, folders of videos.")
    known = {field.name for field in fields(AttentionSettings)} - {"better", "worse"}
    rest = {key: content[key] for key in known if key in content}
    return AttentionSettings(better=folder / content["better"], worse=folder / content["worse"], **rest)
