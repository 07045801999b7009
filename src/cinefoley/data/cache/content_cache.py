"""Content cache: tensor files named by a hash of all that shapes them; only missing ones are made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from cinefoley.data.cache.tensor_files import Chunk, claimed_cache, read_chunk
from cinefoley.data.json_lines import json_digest
from cinefoley.data.parallel import Engine, run_missing
from cinefoley.data.sources.clip_source import Clip, ClipSource
from cinefoley.data.sources.file_digests import FileDigests
from cinefoley.errors import DataError

__all__ = ["CacheFile", "ClipFile", "SupportsDescribe", "cached_chunks", "plan_clip_files"]


class SupportsDescribe(Protocol):
    """Settings that name the files of a cache."""

    def describe(self) -> dict[str, Any]:
        """All that shapes what is cached, as JSON values."""
        ...


SettingsT = TypeVar("SettingsT", bound=SupportsDescribe)


class CacheFile(Protocol):
    """One file of a cache."""

    @property
    def path(self) -> Path:
        """Where it is; its name is a hash of all that shapes its content."""
        ...

    def __len__(self) -> int:
        """Clips or windows that it is made from."""
        ...


FileT = TypeVar("FileT", bound=CacheFile)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFile(Generic[SettingsT]):
    """One file of decoded clips."""

    path: Path
    """Its name is a hash of the clips' content and of the settings."""
    clips: tuple[Clip, ...]
    """The clips; those that cannot be used are named in the file and hold no row."""
    settings: SettingsT
    """How they are decoded."""

    def __len__(self) -> int:
        return len(self.clips)


def plan_clip_files(
    source: ClipSource, settings: SettingsT, cache_dir: Path, *, name: str, clips_per_file: int
) -> list[ClipFile[SettingsT]]:
    """Divide the clips of a source among files of a cache.

    Args:
        source: The clips.
        settings: How they are decoded.
        cache_dir: Folder of the cache; made if it is missing.
        name: The files go into a folder ``name-*``, one for each settings.
        clips_per_file: Clips of each file but the last.

    Raises:
        OutputError: If the folder cannot be made or written to.
    """
    with claimed_cache(cache_dir), FileDigests(cache_dir / "digests.jsonl") as digests:
        prints = source.fingerprints(digests.sha256)
    ids, description = source.ids, settings.describe()
    folder = cache_dir / f"{name}-{json_digest(description)[:12]}"
    files = []
    for start in range(0, len(source), clips_per_file):
        rows = range(start, min(start + clips_per_file, len(source)))
        digest = json_digest([description, *([ids[row], prints[row]] for row in rows)])[:32]
        clips = tuple(source[row] for row in rows)
        files.append(ClipFile(path=folder / f"{digest}.safetensors", clips=clips, settings=settings))
    return files


def cached_chunks(
    files: Sequence[FileT],
    make: Callable[[FileT], int],
    *,
    unit: str,
    workers: int = 1,
    on_done: Callable[[int, int], None] | None = None,
) -> list[Chunk]:
    """Make the files that are missing or truncated, and map all of them into memory.

    Of several processes that ask for the same files, one makes them and the others wait. A run that was
    killed resumes at the first file that is missing.

    Args:
        files: All files, in one folder; at least one.
        make: Makes one, and returns ``len`` of it; another process may call it.
        unit: What is counted, for messages: clips, windows.
        workers: Worker processes; -1 for every core.
        on_done: Called with finished and all clips or windows, after each file that is made.

    Raises:
        DataError: If workers keep dying, or the cache is cleared meanwhile.
        OutputError: If the cache cannot be written; says how much is cached.
    """
    folder = files[0].path.parent
    with claimed_cache(folder):
        missing = [file for file in files if read_chunk(file.path) is None]
        total = sum(map(len, files))
        run_missing(
            make,
            missing,
            Engine(jobs=workers if len(missing) > 1 else 1),  # processes take seconds to start
            total=total,
            stored_in=f"{unit} are cached in {folder} (another folder: --cache)",
            on_done=on_done,
        )
    chunks = [chunk for chunk in (read_chunk(file.path) for file in files) if chunk is not None]
    if len(chunks) < len(files):
        raise DataError(f"{folder}: files of the cache have disappeared. Was it cleared? Run again.")
    return chunks
