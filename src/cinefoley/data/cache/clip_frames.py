"""Cached frames of clips, larger than a model's input, so that windows can be cropped from them."""

import hashlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from cinefoley.config.frame_rate import FrameChoice, FrameRate
from cinefoley.data.json_lines import Record
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.media.frames.jpeg import decode_jpeg
from cinefoley.media.frames.pixels import Pixels
from cinefoley.variations.resizing import resize
from cinefoley.variations.showing import show_at
from cinefoley.variations.window import Window

__all__ = ["ClipFrames", "FrameSettings"]

_FORMAT = 1  # raise when the same settings would give other pixels
_OF_SHARDS = ShardSettings()  # the default settings
_REDUCTIONS = (8, 4, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSettings:
    """Settings of cached frames."""

    fps: float
    """Frames per second."""
    duration_s: float
    """Seconds that are cached of a clip, from its start."""
    short_side: int
    """Pixels of the shorter side that are needed; smaller frames are not enlarged."""
    least_s: float
    """A clip with less video, in seconds, is too short."""
    quality: int = 95
    """JPEG quality, 1 to 100."""
    frame_choice: FrameChoice | None = None
    """Which frame of the video is used; None for that of plain numbers, ``"before_middle"``."""
    kept_side: int | None = None
    """Pixels of the shorter side that are cached at most, if more than needed; then half, a quarter or an
    eighth of them are decoded, if that is enough."""

    @classmethod
    def of(
        cls, frame_size: tuple[int, int], rate: FrameRate, *, duration_s: float, least_s: float, scale: float
    ) -> "FrameSettings":
        """Settings with frames so large that no crop has to be enlarged for the model.

        Args:
            frame_size: Height and width that the model sees.
            rate: Its frames per second, and their choice.
            duration_s: Seconds that are cached.
            least_s: Seconds that a clip must have.
            scale: The smallest fraction of a side that a window shows, in (0, 1].
        """
        short_side = math.ceil(max(frame_size) / scale)
        return cls(
            fps=float(rate.fps),
            frame_choice=None if rate.choice == "before_middle" else rate.choice,
            duration_s=duration_s,
            short_side=short_side,
            least_s=least_s,
        )

    @property
    def frame_rate(self) -> FrameRate:
        """Rate and choice of the frames."""
        return FrameRate.of(self.fps, self.frame_choice or "before_middle")

    @property
    def num_frames(self) -> int:
        """Frames of a clip."""
        return max(1, round(self.duration_s * self.fps))

    def of_videos(self) -> Self:
        """The same for videos, with size and quality of the frames in shards of ``cinefoley data prepare``.

        So training on videos and training on shards of them uses identical frames.
        """
        kept_side = max(self.short_side, _OF_SHARDS.short_side)
        return replace(self, kept_side=kept_side, quality=_OF_SHARDS.jpeg_quality)

    def reduction(self, size: tuple[int, int]) -> int:
        """Factor by which cached frames of a height and width may be reduced when decoded: 1, 2, 4 or 8."""
        if self.kept_side is None:
            return 1
        return next((by for by in _REDUCTIONS if min(size) // by >= self.short_side), 1)

    def describe(self) -> dict[str, Any]:
        """All that shapes a frame, for the key of a cache."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return {"format": _FORMAT, **values}


class ClipFrames:
    """Frames of many clips: JPEGs in mapped files or in shards, decoded on demand.

    Args:
        ids: The clips, as in their source.
        sizes: Height and width of each clip, for which windows are drawn.
        chunks: Name and number of clips of each group, in order; the name is a hash of its content.
        jpegs: From a clip's number to its JPEGs, one for each frame; empty bytes repeat the frame before.
        settings: How they were made.
        ledger: Clips that are skipped: ``id``, ``reason``, ``message``.
    """

    def __init__(
        self,
        *,
        ids: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        chunks: Sequence[tuple[str, int]],
        jpegs: Callable[[int], Sequence[bytes]],
        settings: FrameSettings,
        ledger: Sequence[Record],
    ) -> None:
        self.settings = settings
        self.ledger: tuple[Record, ...] = tuple(ledger)
        """Clips that are skipped: ``id``, ``reason``, ``message``."""
        self.chunks = tuple(chunks)
        """Name and number of clips of each group, in order: features are cached by group."""
        self.ids: tuple[str, ...] = tuple(ids)
        """As in their source."""
        self.sizes: tuple[tuple[int, int], ...] = tuple(sizes)
        """Height and width of each clip, for which windows are drawn."""
        self._jpegs = jpegs

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        """SHA-256 over content and settings of all clips."""
        return hashlib.sha256("\n".join(name for name, _ in self.chunks).encode()).hexdigest()

    def jpegs(self, row: int) -> list[bytes]:
        """The JPEGs of one clip, one for each frame; empty bytes repeat the frame before.

        Raises:
            IndexError: If there is no such row.
            MediaError: If a shard is missing or damaged.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"clips are 0 to {len(self) - 1}, asked for {row}")
        return list(self._jpegs(row))

    def video(self, row: int, *, size: tuple[int, int], window: Window | None = None) -> Tensor:
        """Decode the frames of one clip, show them through a window, and resize them.

        Args:
            row: Which clip.
            size: Height and width to squash to, after the window was cut out.
            window: The part that is shown, drawn for the clip's size; the whole frame if None.

        Returns:
            ``(T, 3, *size)`` uint8.
        """
        frames = self._decode(row)
        if window is not None and window.kind != "none":
            fitted = window.on((frames.shape[-2], frames.shape[-1])).lasting(self.settings.duration_s)
            return show_at(frames, fitted, size)
        return resize(frames, size)

    def videos(
        self,
        rows: Sequence[int],
        *,
        size: tuple[int, int],
        windows: Sequence[Window | None] | None = None,
        workers: int = 1,
    ) -> Tensor:
        """Frames of several clips, ``(B, T, 3, *size)`` uint8, decoded by ``workers`` threads."""
        shown = [None] * len(rows) if windows is None else list(windows)

        def one(pair: tuple[int, Window | None]) -> Tensor:
            return self.video(pair[0], size=size, window=pair[1])

        pairs = list(zip(rows, shown, strict=True))
        if workers == 1:
            return torch.stack([one(pair) for pair in pairs])
        with ThreadPoolExecutor(workers) as pool:
            return torch.stack(list(pool.map(one, pairs)))

    def _decode(self, row: int) -> Tensor:
        jpegs = self.jpegs(row)
        name, reduction = self.ids[row], self.settings.reduction(self.sizes[row])
        frames: list[Pixels] = []
        for jpeg in jpegs:
            frames.append(decode_jpeg(jpeg, name=name, reduction=reduction) if jpeg else frames[-1])
        return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
