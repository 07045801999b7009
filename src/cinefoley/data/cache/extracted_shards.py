"""Clips of shards as files, for whatever takes films: unpacked once, not a pixel changed."""

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from cinefoley.data.cache.tensor_files import claimed_cache
from cinefoley.data.shards.source import ShardClip, ShardSource
from cinefoley.errors import DataError
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.muxing.mjpeg import save_mjpeg

__all__ = ["extract_audio", "extract_videos", "write_shard_video"]

_LIST = "list.csv"


def extract_videos(
    source: ShardSource, cache_dir: Path, *, on_clip: Callable[[int, int], None] | None = None
) -> tuple[Path, Path]:
    """Write every clip as a film of its pictures and sound, as they are kept.

    Films have the names of those they were made of, so sounds that were generated for the ones belong to
    the others too. What is there is not written again.

    Args:
        source: The clips.
        cache_dir: Where films go, in a folder of these clips' own.
        on_clip: Called with finished clips and all clips.

    Returns:
        The folder of the films, and their list in VGGSound's form.

    Raises:
        MediaError: If a shard is gone or damaged.
        OutputError: If the films cannot be written.
        DataError: If two clips were made of films of one name.
    """
    folder = _unpack(source, cache_dir, ".mkv", write_shard_video, on_clip)
    listed = folder / _LIST
    with atomic_write(listed) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for clip in map(source.__getitem__, range(len(source))):
            about = clip.about()
            label = clip.labels[0] if clip.labels else ""
            writer.writerow([clip.id, f"{about['start_s']:g}", label, about["split"]])
    return folder, listed


def write_shard_video(clip: ShardClip, path: Path, *, waveform: Tensor | None = None) -> None:
    """Write one clip as a film of its pictures, as they are kept.

    Args:
        clip: The clip.
        path: ``.mkv``.
        waveform: The sound, ``(N,)`` or ``(channels, N)`` at the clip's sample rate; None takes the clip's.

    Raises:
        MediaError: If the shard is gone or damaged.
        OutputError: If the film cannot be written.
    """
    rate, entry = clip.sample_rate, clip.entry
    save_mjpeg(
        path,
        clip.jpegs(),
        clip.fps,
        size=entry.size,
        duration=max(entry.duration_s, (entry.num_frames - 0.5) / clip.fps),
        waveform=clip.waveform(rate) if waveform is None else waveform,
        sample_rate=rate,
    )


def extract_audio(
    source: ShardSource, cache_dir: Path, *, on_clip: Callable[[int, int], None] | None = None
) -> Path:
    """Write every clip's sound as the FLAC that is kept, under its film's name.

    Args:
        source: The clips.
        cache_dir: Where they go, in a folder of these clips' own.
        on_clip: Called with finished clips and all clips.

    Returns:
        The folder.

    Raises:
        MediaError: If a shard is gone or damaged.
        OutputError: If they cannot be written.
        DataError: If two clips were made of films of one name.
    """
    return _unpack(source, cache_dir, ".flac", _write_sound, on_clip)


def _unpack(
    source: ShardSource,
    cache_dir: Path,
    suffix: str,
    write: Callable[[ShardClip, Path], None],
    on_clip: Callable[[int, int], None] | None,
) -> Path:
    digests = "\n".join(entry.digest for entry in source.entries)
    folder = cache_dir / f"unpacked-{hashlib.sha256(digests.encode()).hexdigest()[:16]}" / suffix[1:]
    owners: dict[str, str] = {}
    with claimed_cache(folder):
        for number, clip in enumerate(map(source.__getitem__, range(len(source)))):
            stem = Path(str(clip.about()["source"])).stem
            if owners.setdefault(stem, clip.id) != clip.id:
                raise DataError(f"{source.name}: {owners[stem]!r} and {clip.id!r} are of one film, {stem}.")
            path = folder / f"{stem}{suffix}"
            if not path.exists():
                write(clip, path)
            if on_clip is not None:
                on_clip(number + 1, len(source))
    return folder


def _write_sound(clip: ShardClip, path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(clip.flac())
