"""Frame cache: JPEG frames of a source's clips, decoded once or read from shards."""

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch

from cinefoley.data.cache.clip_frames import ClipFrames, FrameSettings
from cinefoley.data.cache.content_cache import ClipFile, cached_clips, read_clips
from cinefoley.data.cache.tensor_files import Chunk, write_chunk
from cinefoley.data.json_lines import Record, json_digest
from cinefoley.data.shards.source import ShardClip, ShardSource
from cinefoley.data.sources.clip_reader import fault_from, find_short
from cinefoley.data.sources.clip_source import Clip, ClipFault, ClipSource
from cinefoley.data.sources.file_digests import file_sha256
from cinefoley.data.sources.folder import FileClip, FolderSource
from cinefoley.data.sources.video_frames import bounded_size, read_video_frames
from cinefoley.errors import MediaWarning

__all__ = ["prepare_frames"]


def prepare_frames(
    source: ClipSource,
    settings: FrameSettings,
    cache_dir: Path,
    *,
    workers: int = 1,
    clips_per_file: int = 64,
    on_clip: Callable[[int, int], None] | None = None,
) -> ClipFrames:
    """Decode the frames of a source's clips, or map what an earlier run has cached.

    Audio is ignored: distillation does not use it, so mute clips are not skipped. Files are named by content,
    resumed and shared as in :func:`~cinefoley.data.cache.clip_cache.prepare_clips`.

    Frames of videos are cached with the default settings of ``cinefoley data prepare``, and JPEGs in shards
    are used directly: both give the same frames, bit for bit. Shards with another frame rate are cached like
    any other clips.

    Args:
        source: The clips.
        settings: Rate, size and quality of the frames.
        cache_dir: Where the files go, under ``pictures-*``; made if it is missing.
        workers: Worker processes; -1 for every core.
        clips_per_file: At most; a kill loses one file, and a worker makes one at a time.
        on_clip: Called with finished clips and all clips, after each file.

    Returns:
        All clips that can be used, in the source's order, and the ledger of the others.

    Raises:
        DataError: If workers keep dying.
        OutputError: If the cache cannot be written. Finished files stay cached.
        ValueError: If ``workers`` is 0.
    """
    if workers == 0:
        raise ValueError("workers must not be 0; -1 takes every core")
    if isinstance(source, (FolderSource, ShardSource)):
        settings = settings.of_videos()
    if isinstance(source, ShardSource) and source.settings.frame_rate == settings.frame_rate:
        return _look_at_shards(source, settings, clips_per_file)
    chunks = cached_clips(
        source,
        settings,
        cache_dir,
        _make,
        name="pictures",
        clips_per_file=clips_per_file,
        workers=workers,
        on_clip=on_clip,
    )
    kept = [note for _, (_, notes) in chunks for note in notes["clips"]]
    return ClipFrames(
        ids=[note["id"] for note in kept],
        sizes=[(height, width) for height, width in (note["size"] for note in kept)],
        chunks=[(stem, len(notes["clips"])) for stem, (_, notes) in chunks],
        jpegs=_Mapped([chunk for _, chunk in chunks], settings.num_frames),
        settings=settings,
        ledger=[record for _, (_, notes) in chunks for record in notes["ledger"]],
    )


def _look_at_shards(source: ShardSource, settings: FrameSettings, clips_per_group: int) -> ClipFrames:
    """The JPEGs of shards: nothing is decoded, and nothing is written."""
    kept: list[ShardClip] = []
    ledger: list[Record] = []
    chunks: list[tuple[str, int]] = []
    prints = source.fingerprints(file_sha256)
    for start in range(0, len(source), clips_per_group):
        group: list[list[str]] = []
        for row in range(start, min(start + clips_per_group, len(source))):
            clip = source[row]
            fault = _find_fault(clip, settings)
            if fault is None:
                kept.append(clip)
                group.append([clip.id, prints[row]])
            else:
                ledger.append(fault.to_record(clip.id))
        chunks.append((json_digest([settings.describe(), *group])[:32], len(group)))
    return ClipFrames(
        ids=[clip.id for clip in kept],
        sizes=[clip.frame_size() for clip in kept],
        chunks=chunks,
        jpegs=lambda row: _repeated(kept[row].jpegs(), settings.num_frames),
        settings=settings,
        ledger=ledger,
    )


def _find_fault(clip: ShardClip, settings: FrameSettings) -> ClipFault | None:
    fault = clip.find_fault()
    if fault is None and clip.entry.damage is not None:
        fault = ClipFault(reason="unreadable", message=clip.entry.damage)
    return fault or find_short(clip.id, min(clip.entry.duration_s, settings.duration_s), settings.least_s)


def _repeated(jpegs: list[bytes], num_frames: int) -> list[bytes]:
    """Exactly ``num_frames``: a repeated frame is empty bytes."""
    return jpegs[:num_frames] + [b""] * (num_frames - len(jpegs))


class _Mapped:
    """JPEGs of a clip from the files of the cache."""

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


def _make(file: ClipFile[FrameSettings]) -> int:
    """Decode the clips of one file and write it. Returns the number of clips that were read."""
    rows, faults = read_clips(file, _read)
    kept = [{"id": clip.id, "size": list(size)} for clip, (_, size) in rows]
    jpeg = [frame for _, (frames, _) in rows for frame in frames]
    ends = torch.tensor([len(frame) for frame in jpeg], dtype=torch.int64).cumsum(0)
    joined = torch.from_numpy(np.frombuffer(b"".join(jpeg), dtype=np.uint8).copy())
    write_chunk(file.path, {"jpeg": joined, "ends": ends}, {"clips": kept, "ledger": faults})
    return len(file.clips)


def _read(clip: Clip, settings: FrameSettings) -> tuple[list[bytes], tuple[int, int]] | ClipFault:
    """All JPEGs of a clip, repeated ones empty, and the size for which windows are drawn."""
    fault = _find_fault(clip, settings) if isinstance(clip, ShardClip) else clip.find_fault()
    if fault is not None and fault.reason not in ("no sound", "mute"):
        return fault
    try:
        with warnings.catch_warnings():
            # damaged frames would pair the student with wrong features of the teacher
            warnings.simplefilter("error", MediaWarning)
            if isinstance(clip, FileClip) and settings.kept_side is not None:
                return _read_video(clip, settings, settings.kept_side)
            size = clip.frame_size()
            kept = _kept_size(size, settings)
            video = clip.video(fps=settings.frame_rate, size=kept, duration=settings.duration_s)
    except MediaWarning as exc:
        return ClipFault(reason="unreadable", message=str(exc))
    except Exception as exc:
        return fault_from(exc, clip.id)
    short = find_short(clip.id, video.duration, settings.least_s)
    if short is not None:
        return short
    options = [cv2.IMWRITE_JPEG_QUALITY, settings.quality]
    encoded_frames = []
    for frame in video.frames[: settings.num_frames].permute(0, 2, 3, 1).numpy():
        is_written, encoded = cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]), options)
        assert is_written  # a uint8 frame always can be encoded
        encoded_frames.append(encoded.tobytes())
    # windows are drawn for the cached frames of videos, and for the own size of stage clips
    return _repeated(encoded_frames, settings.num_frames), size if settings.kept_side is None else kept


def _read_video(
    clip: FileClip, settings: FrameSettings, kept_side: int
) -> tuple[list[bytes], tuple[int, int]] | ClipFault:
    """The same JPEGs that a shard stores of the video."""
    assert clip.path is not None  # a missing video is a fault
    size = bounded_size(clip.frame_size(), kept_side)
    shown = read_video_frames(clip.path, size, fps=settings.frame_rate, duration_s=settings.duration_s)
    if shown.damage is not None:
        return ClipFault(reason="unreadable", message=shown.damage)
    short = find_short(clip.id, shown.duration_s, settings.least_s)
    return short or (_repeated(shown.jpegs(settings.quality), settings.num_frames), shown.size)


def _kept_size(size: tuple[int, int], settings: FrameSettings) -> tuple[int, int]:
    kept_side = settings.kept_side or settings.short_side
    scale = min(1.0, kept_side / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
