"""Pictures of clips kept larger than a model sees them, so that a window can still be cut out of them."""

import hashlib
import math
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from cinefoley.data.chunk_files import claimed_cache, read_chunk, write_chunk
from cinefoley.data.clips import Clip, ClipFault, ClipSource
from cinefoley.data.content_files import ContentFile, make_missing, plan_files, settings_digest
from cinefoley.data.file_digests import FileDigests
from cinefoley.data.reading_clips import fault_from
from cinefoley.data.records import Record
from cinefoley.errors import DataError, MediaWarning
from cinefoley.variations.cropping import crop
from cinefoley.variations.resizing import resize
from cinefoley.variations.window import Window

__all__ = ["ClipPictures", "PictureReading", "prepare_pictures"]

_FORMAT = 1  # raise when the same settings would give other pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureReading:
    """How pictures are read and kept."""

    fps: float
    """Frames per second."""
    duration_s: float
    """Seconds that are kept of a clip, from its start."""
    short_side: int
    """Pixels of the shorter side at most; smaller pictures are kept as they are."""
    least_s: float
    """A clip whose picture is shorter than this is too short."""
    quality: int = 95
    """Of the JPEG pictures, 1 to 100."""

    @classmethod
    def of(
        cls, frame_size: tuple[int, int], fps: float, *, duration_s: float, least_s: float, scale: float
    ) -> "PictureReading":
        """As large as the smallest window needs, so that no crop has to be enlarged for the model.

        Args:
            frame_size: Height and width that the model sees.
            fps: Its frames per second.
            duration_s: Seconds that are kept.
            least_s: Seconds that a clip must have.
            scale: The smallest kept fraction of a side, in (0, 1].
        """
        short_side = math.ceil(max(frame_size) / scale)
        return cls(fps=fps, duration_s=duration_s, short_side=short_side, least_s=least_s)

    @property
    def num_frames(self) -> int:
        """Frames of a clip."""
        return max(1, round(self.duration_s * self.fps))

    def describe(self) -> dict[str, Any]:
        """All that shapes a picture, for the name of a cache."""
        return {"format": _FORMAT, **asdict(self)}


class ClipPictures:
    """Pictures of many clips, kept as JPEG in files that are mapped, and decoded when they are asked for.

    Args:
        chunks: Each file's tensors: ``jpeg``, all pictures' bytes one after the other, and ``ends``, where
            each ends.
        notes: Each file's clips: ``id``, ``size``, the height and width that windows are drawn for.
        names: The name of each file, which is a hash of all that it holds.
        reading: How they were read.
        ledger: Clips that are left out: ``id``, ``reason``, ``message``.
    """

    def __init__(
        self,
        *,
        chunks: Sequence[dict[str, Tensor]],
        notes: Sequence[Sequence[Record]],
        names: Sequence[str],
        reading: PictureReading,
        ledger: Sequence[Record],
    ) -> None:
        self.reading = reading
        self.ledger: tuple[Record, ...] = tuple(ledger)
        """Clips that are left out: ``id``, ``reason``, ``message``."""
        self.chunks = tuple((name, len(clips)) for name, clips in zip(names, notes, strict=True))
        """Name and number of clips of each file, in order."""
        clips = [note for several in notes for note in several]
        self.ids: tuple[str, ...] = tuple(note["id"] for note in clips)
        """As in their source."""
        self.sizes: tuple[tuple[int, int], ...] = tuple((h, w) for h, w in (note["size"] for note in clips))
        """Height and width of each clip's own pictures, for which windows are drawn."""
        self._chunks = list(chunks)
        counts = torch.tensor([count for _, count in self.chunks], dtype=torch.long)
        self._last = counts.cumsum(0)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        """SHA-256 over the content of all clips and how they were read."""
        return hashlib.sha256("\n".join(name for name, _ in self.chunks).encode()).hexdigest()

    def video(self, row: int, *, size: tuple[int, int], window: Window | None = None) -> Tensor:
        """One clip's pictures as a model sees them.

        Args:
            row: Which clip.
            size: Height and width to squash to, after the window was cut out.
            window: The part that is shown, drawn for the clip's own size; the whole of it if None.

        Returns:
            ``(T, 3, *size)`` uint8.
        """
        frames = self._decode(row)
        if window is not None and window.kind != "none":
            frames = crop(frames, window.on((frames.shape[-2], frames.shape[-1])))
        return resize(frames, size)

    def videos(
        self,
        rows: Sequence[int],
        *,
        size: tuple[int, int],
        windows: Sequence[Window | None] | None = None,
        workers: int = 1,
    ) -> Tensor:
        """Several clips' pictures, ``(B, T, 3, *size)`` uint8, decoded by ``workers`` threads."""
        shown = [None] * len(rows) if windows is None else list(windows)

        def one(pair: tuple[int, Window | None]) -> Tensor:
            return self.video(pair[0], size=size, window=pair[1])

        pairs = list(zip(rows, shown, strict=True))
        if workers == 1:
            return torch.stack([one(pair) for pair in pairs])
        with ThreadPoolExecutor(workers) as pool:
            return torch.stack(list(pool.map(one, pairs)))

    def _decode(self, row: int) -> Tensor:
        if not 0 <= row < len(self):
            raise IndexError(f"clips are 0 to {len(self) - 1}, asked for {row}")
        owner = int(torch.bucketize(torch.tensor(row), self._last, right=True))
        chunk, inside = self._chunks[owner], row - int(self._last[owner]) + self.chunks[owner][1]
        ends, frames = chunk["ends"], self.reading.num_frames
        first = inside * frames
        bounds = [0 if first == 0 else int(ends[first - 1]), *ends[first : first + frames].tolist()]
        jpeg = chunk["jpeg"].numpy()
        pictures: list[Any] = []
        for begin, end in pairwise(bounds):
            if begin == end:  # the same picture again
                pictures.append(pictures[-1])
                continue
            pixels = cv2.imdecode(jpeg[begin:end], cv2.IMREAD_COLOR_RGB)
            if pixels is None:
                raise DataError(f"{self.ids[row]}: its pictures in the cache are damaged. Clear the cache.")
            pictures.append(pixels)
        return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


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
    named by content, resumed and shared as :func:`~cinefoley.data.preparing.prepare_clips` does.

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
        DataError: If a process at work has died.
        OutputError: If the cache cannot be written. What is finished is kept.
        ValueError: If ``workers`` is 0.
    """
    if workers == 0:
        raise ValueError("workers must not be 0; -1 takes every core")
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
    return ClipPictures(
        chunks=[tensors for tensors, _ in found],
        notes=[notes["clips"] for _, notes in found],
        names=[plan.path.stem for plan in plans],
        reading=reading,
        ledger=[record for _, notes in found for record in notes["ledger"]],
    )


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
    fault = clip.find_fault()
    if fault is not None and fault.reason not in ("no sound", "mute"):
        return fault
    try:
        with warnings.catch_warnings():
            # a student that is shown another picture than its teacher's clip has learns what is not so
            warnings.simplefilter("error", MediaWarning)
            size = clip.picture_size()
            video = clip.video(fps=reading.fps, size=_kept_size(size, reading), duration=reading.duration_s)
    except MediaWarning as exc:
        return ClipFault(reason="unreadable", message=str(exc))
    except Exception as exc:
        return fault_from(exc, clip.id)
    if video.duration < reading.least_s:
        return ClipFault(
            reason="too short",
            message=f"{clip.id}: lasts {video.duration:.2f} s, {reading.least_s:.2f} s are needed",
        )
    frames = video.frames[: reading.num_frames]
    options = [cv2.IMWRITE_JPEG_QUALITY, reading.quality]
    pictures = []
    for frame in frames.permute(0, 2, 3, 1).numpy():
        is_written, encoded = cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]), options)
        assert is_written  # a picture of bytes always can be
        pictures.append(encoded.tobytes())
    return pictures + [b""] * (reading.num_frames - len(frames)), size


def _kept_size(size: tuple[int, int], reading: PictureReading) -> tuple[int, int]:
    scale = min(1.0, reading.short_side / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
