"""Files of some clips each, named by all that decides what is in them; made where they are missing."""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from cinefoley.data.cache.tensor_files import read_chunk
from cinefoley.data.parallel import Engine, run_tasks
from cinefoley.data.sources.clip_source import Clip, ClipSource
from cinefoley.errors import OutputError

__all__ = ["ContentFile", "SupportsDescribe", "make_missing", "plan_files", "settings_digest"]


class SupportsDescribe(Protocol):
    """How clips are read."""

    def describe(self) -> dict[str, Any]:
        """All that shapes what is read, as JSON values."""
        ...


ReadingT = TypeVar("ReadingT", bound=SupportsDescribe)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFile(Generic[ReadingT]):
    """One file: where it is, of which clips, and how they are read."""

    path: Path
    """Its name is a hash of the clips' contents and of how they are read."""
    clips: tuple[Clip, ...]
    """What it holds, as far as it can be used."""
    settings: ReadingT
    """How they are read."""


def settings_digest(content: Any) -> str:
    """SHA-256 of JSON values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def plan_files(
    source: ClipSource, prints: Sequence[str], settings: ReadingT, folder: Path, *, clips_per_file: int
) -> list[ContentFile[ReadingT]]:
    """Which file holds which clips.

    Args:
        source: The clips.
        prints: A hash of each one's content.
        settings: How they are read.
        folder: Where the files go.
        clips_per_file: Clips of each, but the last.
    """
    ids, description = source.ids, settings.describe()
    plans = []
    for start in range(0, len(source), clips_per_file):
        rows = range(start, min(start + clips_per_file, len(source)))
        name = settings_digest([description, *([ids[row], prints[row]] for row in rows)])[:32]
        clips = tuple(source[row] for row in rows)
        plans.append(ContentFile(path=folder / f"{name}.safetensors", clips=clips, settings=settings))
    return plans


def make_missing(
    plans: Sequence[ContentFile[ReadingT]],
    make: Callable[[ContentFile[ReadingT]], int],
    *,
    workers: int,
    on_clip: Callable[[int, int], None] | None,
) -> int:
    """Make the files that are not there, or were cut off.

    Args:
        plans: All files.
        make: Makes one, and returns how many clips it looked at; another process may call it.
        workers: Processes at work; -1 for every core.
        on_clip: Called with finished clips and all clips, after each file.

    Returns:
        How many were made.

    Raises:
        DataError: If processes at work keep dying.
        OutputError: If there is no space; says how much is kept.
    """
    missing = [plan for plan in plans if read_chunk(plan.path) is None]
    total = sum(len(plan.clips) for plan in plans)
    done = total - sum(len(plan.clips) for plan in missing)
    try:
        engine = Engine(jobs=workers if len(missing) > 1 else 1)  # processes take seconds to start
        with closing(run_tasks(make, missing, engine, option="--workers")) as finished:
            for count in finished:
                done += count
                if on_clip is not None:
                    on_clip(done, total)
    except OutputError as exc:
        raise OutputError(
            f"{exc} {done} of {total} clips are prepared and kept in {plans[0].path.parent}; the same "
            "command goes on there once there is space, or name another folder with --cache."
        ) from exc
    return len(missing)
