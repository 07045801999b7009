"""Shard stream: clips of shards as tensor rows, decoded on demand."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.data.cache.clip_windows import DecodedClips
from cinefoley.data.cache.tensor_rows import ComputedRows
from cinefoley.data.events.rows import event_rows, kind_rows
from cinefoley.data.json_lines import Record, json_digest
from cinefoley.data.shards.source import ShardClip, ShardSource
from cinefoley.data.sources.clip_reader import ClipSettings, find_short
from cinefoley.data.sources.file_digests import file_sha256
from cinefoley.errors import MediaError
from cinefoley.media.frames.frame_source import stack_frames
from cinefoley.media.frames.jpeg import decode_jpeg
from cinefoley.media.frames.pixels import resize_fast
from cinefoley.spectral.mel import mel_spectrogram

__all__ = ["should_stream", "stream_shards"]

ItemT = TypeVar("ItemT")

_GROUP = 32  # clips that share a file of the feature cache


def should_stream(source: ShardSource, settings: ClipSettings) -> bool:
    """Whether to decode shards on demand: true if a cache of decoded clips would be larger than the shards.

    With small frames a cache is smaller than the shards, and much faster to read.

    Args:
        source: The shards.
        settings: How clips are decoded; if the frame rate is not that of the shards, they are cached.
    """
    kept = sum(entry.end - entry.offset for entry in source.rows)
    return settings.frame_rate == source.settings.frame_rate and settings.row_bytes * len(source) > kept


def stream_shards(source: ShardSource, settings: ClipSettings) -> DecodedClips:
    """The clips of shards as tensor rows: nothing is decoded yet, and nothing is written.

    Args:
        source: The shards.
        settings: How clips are decoded.

    Returns:
        All clips that hold a window, in the source's order, and the ledger of the others.
    """
    clips: list[ShardClip] = []
    ledger: list[Record] = []
    for clip in map(source.__getitem__, range(len(source))):
        fault = find_short(clip.id, clip.entry.duration_s, settings.least_s)
        if fault is None:
            clips.append(clip)
        else:
            ledger.append(fault.to_record(clip.id))
    known = [[[event.time_s, event.is_onset_like] for event in clip.events or ()] for clip in clips]
    events_s, is_onset_like = event_rows(known)
    return DecodedClips(
        ids=tuple(clip.id for clip in clips),
        frames=_Frames(clips, settings),
        mels=_Mels(clips, settings, source),
        kinds=kind_rows([clip.labels for clip in clips], source.label_names),
        events_s=events_s,
        is_onset_like=is_onset_like,
        has_events=torch.tensor([clip.events is not None for clip in clips], dtype=torch.bool),
        lengths_s=torch.tensor([min(clip.entry.duration_s, settings.duration_s) for clip in clips]),
        label_names=source.label_names,
        ledger=tuple(ledger),
        settings=settings,
        chunks=_chunks(source, clips, settings),
        is_streamed=True,
    )


class _DecodedRows(ComputedRows):
    """Rows that several threads decode.

    Indexing raises a MediaError if a shard is missing or damaged.
    """

    def __init__(self, clips: Sequence[ShardClip], shape: Sequence[int], dtype: torch.dtype) -> None:
        super().__init__((len(clips), *shape), dtype)
        self._clips = clips

    def map(self, work: Callable[[ItemT], Tensor], items: Iterable[ItemT]) -> Iterator[Tensor]:
        """As the built-in, by several threads."""
        return _threads().map(work, items)


class _Frames(_DecodedRows):
    """Frames ``(N, T, 3, H, W)`` uint8; past the end of a clip its last frame."""

    def __init__(self, clips: Sequence[ShardClip], settings: ClipSettings) -> None:
        super().__init__(clips, (settings.num_frames, 3, *settings.frame_size), torch.uint8)
        self._size = settings.frame_size

    def row(self, number: int, rest: Sequence[Any]) -> Tensor:
        clip, wanted = self._clips[number], range(self.shape[1])
        if rest and isinstance(rest[0], slice):  # frames outside a window are not decoded
            wanted, rest = wanted[rest[0]], [slice(None), *rest[1:]]
        jpegs = clip.jpegs()
        numbers = [min(number, len(jpegs) - 1) for number in wanted]
        decoded = {
            number: resize_fast(decode_jpeg(jpegs[number], name=clip.id), self._size)
            for number in set(numbers)
        }
        if not numbers:
            return torch.empty((0, *self.shape[2:]), dtype=torch.uint8)[tuple(rest)]
        row = stack_frames([decoded[number] for number in numbers])
        return row[tuple(rest)] if rest else row


class _Mels(_DecodedRows):
    """Mels ``(N, n_mels, frames)`` float16: the stored ones, or computed if settings differ."""

    def __init__(self, clips: Sequence[ShardClip], settings: ClipSettings, source: ShardSource) -> None:
        super().__init__(clips, (settings.mel.n_mels, settings.num_mel_frames), torch.float16)
        kept = source.settings
        self._settings = settings
        self._are_stored = (settings.mel, settings.duration_s) == (kept.mel, kept.duration_s)

    def row(self, number: int, rest: Sequence[Any]) -> Tensor:
        clip = self._clips[number]
        row = _stored_mel(clip) if self._are_stored else self._computed(clip)
        if row.shape != self.shape[1:]:
            raise MediaError(f"{clip.path}: the mel of {clip.id} has another shape. Prepare the clips again.")
        return row[tuple(rest)] if rest else row

    def _computed(self, clip: ShardClip) -> Tensor:
        count = self._settings.num_samples
        sound = clip.waveform(self._settings.mel.sample_rate, duration=self._settings.duration_s)[:count]
        padded = F.pad(sound, (0, count - len(sound)))
        return mel_spectrogram(padded[None], self._settings.mel)[0].to(torch.float16)


def _stored_mel(clip: ShardClip) -> Tensor:
    try:
        return torch.from_numpy(np.load(io.BytesIO(clip.member("mel.npy")), allow_pickle=False))
    except (ValueError, EOFError) as exc:
        raise MediaError(f"{clip.path}: holds no mel of {clip.id} ({exc}). Prepare the clips again.") from exc


@cache
def _threads() -> ThreadPoolExecutor:
    """Threads of this process; decoding releases the interpreter lock."""
    return ThreadPoolExecutor(thread_name_prefix="cinefoley-decode")


def _chunks(
    source: ShardSource, clips: Sequence[ShardClip], settings: ClipSettings
) -> tuple[tuple[str, int], ...]:
    """Cache keys for each 32 clips: hashes of content, labels, events and settings."""
    prints = dict(zip(source.ids, source.fingerprints(file_sha256), strict=True))
    chunks = []
    for start in range(0, len(clips), _GROUP):
        group = clips[start : start + _GROUP]
        content = [settings.describe(), [[clip.id, prints[clip.id]] for clip in group]]
        chunks.append((json_digest(content)[:32], len(group)))
    return tuple(chunks)
