"""Keeping the pictures of a source's clips: decoded once, or read where shards hold them."""

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch

from cinefoley.data.cache.clip_frames import ClipPictures, PictureReading
from cinefoley.data.cache.content_cache import ContentFile, make_missing, plan_files, settings_digest
from cinefoley.data.cache.file_digests import FileDigests
from cinefoley.data.cache.frame_encoder import bounded_size, read_kept
from cinefoley.data.cache.tensor_files import Chunk, claimed_cache, read_chunk, write_chunk
from cinefoley.data.json_lines import Record, file_sha256
from cinefoley.data.shards.source import ShardClip, ShardSource
from cinefoley.data.sources.clip_reader import fault_from, find_short
from cinefoley.data.sources.clip_source import Clip, ClipFault, ClipSource
from cinefoley.data.sources.folder import FilmClip, FolderSource
from cinefoley.errors import DataError, MediaWarning

__all__ = ["prepare_pictures"]


def prepare_pictures(
    source: ClipSource,
    reading: PictureReading,
    cache_dir: Path,
    *,
    workers: int = 1,
    clips_per_file: int = 64,
    on_clip: Callable[[int, int], None] | None = None,
) -> ClipPictures:
    """Decode the pictures of a source's clips once, or map what an earlier run has kept.

    Sound is not looked at: a mute clip is as good as any for an encoder that learns from another. Files are
    named by content, resumed and shared as :func:`~cinefoley.data.cache.clip_cache.prepare_clips` does.

    Films are kept as ``cinefoley data prepare`` keeps them by default, and shards are read where they lie,
    their JPEGs as they are: of the same films, both give the same pictures, bit for bit. Shards of another
    rate than the reading's are kept like any other clips.

    Args:
        source: The clips.
        reading: How they are read.
        cache_dir: Where the files go, under ``pictures-*``; made if it is missing.
        workers: Processes at work; -1 for every core.
        clips_per_file: At most; it is what a kill loses, and what processes take turns at.
        on_clip: Called with finished clips and all clips, after each file.

    Returns:
        All clips that can be used, in the source's order, and the ledger of the others.

    Raises:
        DataError: If processes at work keep dying.
        OutputError: If the cache cannot be written. What is finished is kept.
        ValueError: If ``workers`` is 0.
    """
    if workers == 0:
        raise ValueError("workers must not be 0; -1 takes every core")
    if isinstance(source, (FolderSource, ShardSource)):
        reading = reading.of_films()
    if isinstance(source, ShardSource) and source.settings.fps == reading.fps:
        return _look_at_shards(source, reading, clips_per_file)
    folder = cache_dir / f"pictures-{settings_digest(reading.describe())[:12]}"
    with claimed_cache(cache_dir), FileDigests(cache_dir / "digests.jsonl") as digests:
        prints = source.fingerprints(digests.sha256)
    plans = plan_files(source, prints, reading, folder, clips_per_file=clips_per_file)
    with claimed_cache(folder):
        make_missing(plans, _make, workers=workers, on_clip=on_clip)
    chunks = [read_chunk(plan.path) for plan in plans]
    found = [chunk for chunk in chunks if chunk is not None]
    if len(found) < len(plans):
        raise DataError(f"{folder}: files were there a moment ago. Was the cache cleared? Run again.")
    kept = [note for _, notes in found for note in notes["clips"]]
    return ClipPictures(
        ids=[note["id"] for note in kept],
        sizes=[(height, width) for height, width in (note["size"] for note in kept)],
        chunks=[(plan.path.stem, len(notes["clips"])) for plan, (_, notes) in zip(plans, found, strict=True)],
        stills=_Mapped(found, reading.num_frames),
        reading=reading,
        ledger=[record for _, notes in found for record in notes["ledger"]],
    )


def _look_at_shards(source: ShardSource, reading: PictureReading, clips_per_group: int) -> ClipPictures:
    """The stills of shards as they lie there: nothing is decoded, and nothing is written."""
    kept: list[ShardClip] = []
    ledger: list[Record] = []
    chunks: list[tuple[str, int]] = []
    prints = source.fingerprints(file_sha256)
    for start in range(0, len(source), clips_per_group):
        group: list[list[str]] = []
        for row in range(start, min(start + clips_per_group, len(source))):
            clip = source[row]
            fault = _find_fault(clip, reading)
            if fault is None:
                kept.append(clip)
                group.append([clip.id, prints[row]])
            else:
                ledger.append({"id": clip.id, "reason": fault.reason, "message": fault.message})
        chunks.append((settings_digest([reading.describe(), *group])[:32], len(group)))
    return ClipPictures(
        ids=[clip.id for clip in kept],
        sizes=[clip.picture_size() for clip in kept],
        chunks=chunks,
        stills=lambda row: _repeated(kept[row].stills(), reading.num_frames),
        reading=reading,
        ledger=ledger,
    )


def _find_fault(clip: ShardClip, reading: PictureReading) -> ClipFault | None:
    fault = clip.find_fault()
    if fault is None and clip.entry.damage is not None:
        fault = ClipFault(reason="unreadable", message=clip.entry.damage)
    return fault or find_short(clip.id, min(clip.entry.duration_s, reading.duration_s), reading.least_s)


def _repeated(stills: list[bytes], num_frames: int) -> list[bytes]:
    """Exactly so many: a repeated picture is no bytes."""
    return stills[:num_frames] + [b""] * (num_frames - len(stills))


class _Mapped:
    """Stills by clip, out of the cache's files."""

    def __init__(self, files: Sequence[Chunk], num_frames: int) -> None:
        self._files = [tensors for tensors, _ in files]
        self._counts = [len(notes["clips"]) for _, notes in files]
        self._last = torch.tensor(self._counts, dtype=torch.long).cumsum(0)
        self._num_frames = num_frames

    def __call__(self, row: int) -> list[bytes]:
        owner = int(torch.bucketize(torch.tensor(row), self._last, right=True))
        tensors, inside = self._files[owner], row - int(self._last[owner]) + self._counts[owner]
        ends, first = tensors["ends"], inside * self._num_frames
        bounds = [
            0 if first == 0 else int(ends[first - 1]),
            *ends[first : first + self._num_frames].tolist(),
        ]
        jpeg = tensors["jpeg"].numpy()
        return [jpeg[begin:end].tobytes() for begin, end in pairwise(bounds)]


_Plan = ContentFile[PictureReading]


def _make(plan: _Plan) -> int:
    """Decode the clips of one file and write it. Returns how many clips were looked at."""
    kept: list[Record] = []
    faults: list[Record] = []
    jpeg: list[bytes] = []
    for clip in plan.clips:
        read = _read(clip, plan.reading)
        if isinstance(read, ClipFault):
            faults.append({"id": clip.id, "reason": read.reason, "message": read.message})
        else:
            pictures, size = read
            kept.append({"id": clip.id, "size": list(size)})
            jpeg += pictures
    ends = torch.tensor([len(picture) for picture in jpeg], dtype=torch.int64).cumsum(0)
    joined = torch.from_numpy(np.frombuffer(b"".join(jpeg), dtype=np.uint8).copy())
    write_chunk(plan.path, {"jpeg": joined, "ends": ends}, {"clips": kept, "ledger": faults})
    return len(plan.clips)


def _read(clip: Clip, reading: PictureReading) -> tuple[list[bytes], tuple[int, int]] | ClipFault:
    """All pictures of a clip, a repeated one as no bytes, and the size that windows are drawn for."""
    fault = _find_fault(clip, reading) if isinstance(clip, ShardClip) else clip.find_fault()
    if fault is not None and fault.reason not in ("no sound", "mute"):
        return fault
    try:
        with warnings.catch_warnings():
            # a student that is shown another picture than its teacher's clip has learns what is not so
            warnings.simplefilter("error", MediaWarning)
            if isinstance(clip, FilmClip) and reading.kept_side is not None:
                return _read_film(clip, reading, reading.kept_side)
            size = clip.picture_size()
            kept = _kept_size(size, reading)
            video = clip.video(fps=reading.fps, size=kept, duration=reading.duration_s)
    except MediaWarning as exc:
        return ClipFault(reason="unreadable", message=str(exc))
    except Exception as exc:
        return fault_from(exc, clip.id)
    short = find_short(clip.id, video.duration, reading.least_s)
    if short is not None:
        return short
    options = [cv2.IMWRITE_JPEG_QUALITY, reading.quality]
    pictures = []
    for frame in video.frames[: reading.num_frames].permute(0, 2, 3, 1).numpy():
        is_written, encoded = cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]), options)
        assert is_written  # a picture of bytes always can be
        pictures.append(encoded.tobytes())
    # films are known by what is kept of them; the stage draws its windows itself, at its own size
    return _repeated(pictures, reading.num_frames), size if reading.kept_side is None else kept


def _read_film(
    clip: FilmClip, reading: PictureReading, kept_side: int
) -> tuple[list[bytes], tuple[int, int]] | ClipFault:
    """What a shard keeps of the film, to the byte."""
    assert clip.path is not None  # a film that is missing was found to be
    size = bounded_size(clip.picture_size(), kept_side)
    shown = read_kept(clip.path, size, fps=reading.fps, duration_s=reading.duration_s)
    if shown.damage is not None:
        return ClipFault(reason="unreadable", message=shown.damage)
    short = find_short(clip.id, shown.duration_s, reading.least_s)
    return short or (_repeated(shown.stills(reading.quality), reading.num_frames), shown.size)


def _kept_size(size: tuple[int, int], reading: PictureReading) -> tuple[int, int]:
    kept_side = reading.kept_side or reading.short_side
    scale = min(1.0, kept_side / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
