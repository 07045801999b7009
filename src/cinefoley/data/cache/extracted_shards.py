"""Videos and audio files extracted from shards, without re-encoding, into a cache."""

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
    """Write every clip as a video of the stored JPEGs and audio.

    Videos have the names of the original videos, so sounds that were generated for those match. Existing
    videos are not written again.

    Args:
        source: The clips.
        cache_dir: Folder of the cache; the videos go into a folder named by the clips' content.
        on_clip: Called with finished clips and all clips.

    Returns:
        The folder of the videos, and their split CSV in VGGSound's form.

    Raises:
        MediaError: If a shard is missing or damaged.
        OutputError: If the videos cannot be written.
        DataError: If two clips were made from videos of the same name.
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
    """Write one clip as a video of its stored JPEGs.

    Args:
        clip: The clip.
        path: ``.mkv``.
        waveform: The sound, ``(N,)`` or ``(channels, N)`` at the clip's sample rate; None means the clip's.

    Raises:
        MediaError: If the shard is missing or damaged.
        OutputError: If the video cannot be written.
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
    """Write every clip's stored FLAC under the name of its video.

    Args:
        source: The clips.
        cache_dir: Folder of the cache; the files go into a folder named by the clips' content.
        on_clip: Called with finished clips and all clips.

    Returns:
        The folder.

    Raises:
        MediaError: If a shard is missing or damaged.
        OutputError: If the files cannot be written.
        DataError: If two clips were made from videos of the same name.
    """
    return _unpack(source, cache_dir, ".flac", _write_sound, on_clip)


def _unpack(
    source: ShardSource,
    cache_dir: Path,
    suffix: str,
    write: Callable[[ShardClip, Path], None],
    on_clip: Callable[[int, int], None] | None,
) -> Path:
    digests = "\n".join(entry.digest for entry in source.rows)
    folder = cache_dir / f"unpacked-{hashlib.sha256(digests.encode()).hexdigest()[:16]}" / suffix[1:]
    owners: dict[str, str] = {}
    with claimed_cache(folder):
        for number, clip in enumerate(map(source.__getitem__, range(len(source)))):
            stem = Path(str(clip.about()["source"])).stem
            if owners.setdefault(stem, clip.id) != clip.id:
                raise DataError(
                    f"{source.name}: {owners[stem]!r} and {clip.id!r} are both of the video {stem}."
                )
            path = folder / f"{stem}{suffix}"
            if not path.exists():
                write(clip, path)
            if on_clip is not None:
                on_clip(number + 1, len(source))
    return folder


def _write_sound(clip: ShardClip, path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(clip.flac())
