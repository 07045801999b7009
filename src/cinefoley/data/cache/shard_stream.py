"""Clips of shards side by side, each decoded when its row is asked for."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.data.cache.clip_windows import DecodedClips
from cinefoley.data.events.rows import event_rows, kind_rows
from cinefoley.data.json_lines import Record
from cinefoley.data.shards.archive import read_members
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

_GROUP = 32  # clips that share a file of features or latents


def should_stream(source: ShardSource, settings: ClipSettings) -> bool:
    """Whether decoding shards ahead would only make a larger copy of them, or one that is no faster to use.

    A small frame size is worth a cache: it is smaller than the shards, and read much faster.

    Args:
        source: The shards.
        settings: How the model reads clips; at another rate than the shards', they are read like any clip.
    """
    kept = sum(entry.end - entry.offset for entry in source.entries)
    return settings.fps == source.settings.fps and settings.row_bytes * len(source) > kept


def stream_shards(source: ShardSource, settings: ClipSettings) -> DecodedClips:
    """Look at shards as columns, in a moment: nothing is decoded, and nothing is written.

    Args:
        source: The shards.
        settings: How the model reads clips.

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
            ledger.append({"id": clip.id, "reason": fault.reason, "message": fault.message})
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


class _DecodedRows:
    """Rows that are decoded by several threads; subclasses say how one is."""

    def __init__(self, clips: Sequence[ShardClip], shape: Sequence[int], dtype: torch.dtype) -> None:
        self._clips, self._dtype = clips, dtype
        self.shape = torch.Size([len(clips), *shape])

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: Any) -> Tensor:
        """Decode rows; ``index`` as for :class:`~cinefoley.data.cache.tensor_rows.ChunkedRows`.

        Raises:
            IndexError: If a row is not there.
            MediaError: If a shard is gone or damaged.
        """
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, int):
            return self._row(self._clips[first], rest)
        is_slice = isinstance(first, slice)
        numbers = torch.arange(len(self))[first] if is_slice else torch.as_tensor(first).cpu()
        if numbers.dtype == torch.bool:
            numbers = numbers.nonzero()[:, 0]
        chosen = [self._clips[number] for number in numbers.flatten().tolist()]
        if not chosen:
            empty = torch.empty((1, *self.shape[1:]), dtype=self._dtype)
            return empty[(slice(0, 0), *rest)]
        rows = list(self.map(lambda clip: self._row(clip, rest), chosen))
        stacked = torch.empty((len(rows), *rows[0].shape), dtype=self._dtype)
        for target, row in zip(stacked, rows, strict=True):  # autocast forbids torch.stack for halves
            target.copy_(row)
        return stacked.reshape(*numbers.shape, *stacked.shape[1:])

    def map(self, work: Callable[[ItemT], Tensor], items: Iterable[ItemT]) -> Iterator[Tensor]:
        """As the built-in, by the threads that decode."""
        return _threads().map(work, items)

    def _row(self, clip: ShardClip, rest: Sequence[Any]) -> Tensor:
        raise NotImplementedError


class _Frames(_DecodedRows):
    """Pictures ``(N, T, 3, H, W)`` uint8; past a clip's end its last one."""

    def __init__(self, clips: Sequence[ShardClip], settings: ClipSettings) -> None:
        super().__init__(clips, (settings.num_frames, 3, *settings.frame_size), torch.uint8)
        self._size = settings.frame_size

    def _row(self, clip: ShardClip, rest: Sequence[Any]) -> Tensor:
        count = self.shape[1]
        wanted = range(count)
        if rest and isinstance(rest[0], slice):  # a window: what lies outside is not decoded
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
    """Mels ``(N, n_mels, frames)`` float16: those that are kept where they are the model's, else computed."""

    def __init__(self, clips: Sequence[ShardClip], settings: ClipSettings, source: ShardSource) -> None:
        super().__init__(clips, (settings.mel.n_mels, settings.num_mel_frames), torch.float16)
        kept = source.settings
        self._settings = settings
        self._are_kept = (settings.mel, settings.duration_s) == (kept.mel, kept.duration_s)

    def _row(self, clip: ShardClip, rest: Sequence[Any]) -> Tensor:
        row = _kept_mel(clip) if self._are_kept else self._computed(clip)
        if row.shape != self.shape[1:]:
            raise MediaError(f"{clip.path}: the mel of {clip.id} has another shape. Prepare the clips again.")
        return row[tuple(rest)] if rest else row

    def _computed(self, clip: ShardClip) -> Tensor:
        count = self._settings.num_samples
        sound = clip.waveform(self._settings.mel.sample_rate, duration=self._settings.duration_s)[:count]
        padded = F.pad(sound, (0, count - len(sound)))
        return mel_spectrogram(padded[None], self._settings.mel)[0].to(torch.float16)


def _kept_mel(clip: ShardClip) -> Tensor:
    members = read_members(clip.path, clip.entry.offset, clip.entry.stills_offset)
    try:
        return torch.from_numpy(np.load(io.BytesIO(members["mel.npy"]), allow_pickle=False))
    except (KeyError, ValueError, EOFError) as exc:
        raise MediaError(f"{clip.path}: holds no mel of {clip.id} ({exc}). Prepare the clips again.") from exc


@cache
def _threads() -> ThreadPoolExecutor:
    """Of this process; decoding lets go of the interpreter."""
    return ThreadPoolExecutor(thread_name_prefix="cinefoley-decode")


def _chunks(
    source: ShardSource, clips: Sequence[ShardClip], settings: ClipSettings
) -> tuple[tuple[str, int], ...]:
    """Names for what is computed of each 32 clips: they change with content, labels, events and settings."""
    prints = dict(zip(source.ids, source.fingerprints(file_sha256), strict=True))
    chunks = []
    for start in range(0, len(clips), _GROUP):
        group = clips[start : start + _GROUP]
        content = [settings.describe(), [[clip.id, prints[clip.id]] for clip in group]]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        chunks.append((digest[:32], len(group)))
    return tuple(chunks)
