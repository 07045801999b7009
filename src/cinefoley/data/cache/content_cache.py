"""Content cache: tensor files named by a hash of all that shapes them; only missing ones are made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from cinefoley.data.cache.tensor_files import Chunk, claimed_cache, make_together, read_chunk
from cinefoley.data.json_lines import Record, json_digest
from cinefoley.data.parallel import Engine, run_missing
from cinefoley.data.sources.clip_source import Clip, ClipFault, ClipSource
from cinefoley.data.sources.file_digests import FileDigests
from cinefoley.errors import CinefoleyError, DataError

__all__ = ["CacheFile", "ClipFile", "SupportsDescribe", "cached_chunks", "cached_clips", "read_clips"]


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
RowT = TypeVar("RowT")


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


def cached_clips(
    source: ClipSource,
    settings: SettingsT,
    cache_dir: Path,
    make: Callable[[ClipFile[SettingsT]], int],
    *,
    name: str,
    clips_per_file: int,
    workers: int = 1,
    on_clip: Callable[[int, int], None] | None = None,
) -> list[tuple[str, Chunk]]:
    """Decode the clips of a source into files of a cache, or map what an earlier run has decoded.

    Args:
        source: The clips.
        settings: How they are decoded.
        cache_dir: Folder of the cache; made if it is missing.
        make: Decodes and writes one file, and returns ``len`` of it; another process may call it.
        name: The files go into a folder ``name-*``, one for each settings.
        clips_per_file: Clips of each file but the last.
        workers: Worker processes; -1 for every core.
        on_clip: Called with finished clips and all clips, after each file.

    Returns:
        Stem and content of every file. Its notes have ``clips``, a record for each row, and ``ledger``.

    Raises:
        DataError: If workers keep dying, or the cache is cleared meanwhile.
        OutputError: If the folder cannot be made or written to.
    """
    files = _plan(source, settings, cache_dir, name=name, clips_per_file=clips_per_file)
    chunks = cached_chunks(files, make, unit="clips", workers=workers, on_done=on_clip)
    return [(file.path.stem, chunk) for file, chunk in zip(files, chunks, strict=True)]


def read_clips(
    file: ClipFile[SettingsT], read: Callable[[Clip, SettingsT], RowT | ClipFault]
) -> tuple[list[tuple[Clip, RowT]], list[Record]]:
    """Read the clips of one file: those that can be used with what was read, and the ledger of the others."""
    rows: list[tuple[Clip, RowT]] = []
    faults: list[Record] = []
    for clip in file.clips:
        result = read(clip, file.settings)
        if isinstance(result, ClipFault):
            faults.append(result.to_record(clip.id))
        else:
            rows.append((clip, result))
    return rows, faults


def _plan(
    source: ClipSource, settings: SettingsT, cache_dir: Path, *, name: str, clips_per_file: int
) -> list[ClipFile[SettingsT]]:
    """Divide the clips of a source among files."""
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
    is_shared: bool = False,
    on_done: Callable[[int, int], None] | None = None,
) -> list[Chunk]:
    """Make the files that are missing or truncated, and map all of them into memory.

    Of several processes that ask for the same files, one makes them and the others wait, or all share the
    work. A run that was killed resumes with the files that are missing.

    Args:
        files: All files, in one folder; at least one.
        make: Makes one, and returns ``len`` of it; another process may call it.
        unit: What is counted, for messages: clips, windows.
        workers: Worker processes; -1 for every core.
        is_shared: Whether all processes that ask share the work: where it is a network's, on its own device.
        on_done: Called with finished and all clips or windows, after each file that is made.

    Raises:
        DataError: If workers keep dying, or the cache is cleared meanwhile.
        OutputError: If the cache cannot be written; says how much is cached.
    """
    folder = files[0].path.parent
    if is_shared:
        _make_together(files, make, f"{unit} are cached in {folder} (another folder: --cache)", on_done)
        return _read_all(folder, files)
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
    return _read_all(folder, files)


def _make_together(
    files: Sequence[FileT],
    make: Callable[[FileT], int],
    stored_in: str,
    on_done: Callable[[int, int], None] | None,
) -> None:
    done, total = 0, sum(map(len, files))
    try:
        for file in make_together(files, lambda file: file.path, make):
            done += len(file)
            if on_done is not None:
                on_done(done, total)
    except CinefoleyError as exc:
        raise type(exc)(f"{exc} {done} of {total} {stored_in}; the same command resumes there.") from exc


def _read_all(folder: Path, files: Sequence[FileT]) -> list[Chunk]:
    chunks = [chunk for chunk in (read_chunk(file.path) for file in files) if chunk is not None]
    if len(chunks) < len(files):
        raise DataError(f"{folder}: files of the cache have disappeared. Was it cleared? Run again.")
    return chunks
