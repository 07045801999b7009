"""Clip cache: clips of a source decoded once, in parallel, into files that later runs map."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.cache.clip_windows import DecodedClips
from cinefoley.data.cache.content_cache import ClipFile, cached_clips, read_clips
from cinefoley.data.cache.shard_stream import should_stream, stream_shards
from cinefoley.data.cache.tensor_files import Chunk, write_chunk
from cinefoley.data.cache.tensor_rows import ChunkedRows
from cinefoley.data.events.rows import event_rows, kind_rows
from cinefoley.data.json_lines import Record
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.sources.clip_reader import ClipSettings, DecodedClip, read_clip
from cinefoley.data.sources.clip_source import Clip, ClipSource

__all__ = ["prepare_clips"]

_MOST_BYTES = 2**26  # of a file: every worker holds one in memory


def prepare_clips(
    source: ClipSource,
    config: FoleyConfig,
    cache_dir: Path,
    *,
    duration_s: float = 10.0,
    workers: int = 1,
    clips_per_file: int = 32,
    on_clip: Callable[[int, int], None] | None = None,
) -> DecodedClips:
    """Decode the clips of a source, or map what an earlier run has decoded.

    Files hold up to 32 clips and are named by a hash of content, labels and events of the clips and of the
    settings. So a replaced video, a changed label or another mel is decoded again, and files of earlier rows
    stay valid when a split CSV grows. A killed run resumes at the first missing file; a truncated file is
    made again. Of several processes that ask for the same clips, one makes them and the others wait.

    Shards that are smaller than their decoded clips are not cached: rows are decoded on demand.

    Args:
        source: The clips.
        config: The model's mel, rate, frame size and window: a clip must hold one window.
        cache_dir: Where the files go, under ``clips-*``; made if it is missing.
        duration_s: Seconds that are used of a clip, from its start.
        workers: Worker processes; -1 for every core.
        clips_per_file: At most; fewer if clips are large. A kill loses one file, and a worker makes one at
            a time.
        on_clip: Called with finished clips and all clips, after each file.

    Returns:
        All clips that can be used, in the source's order, and the ledger of the others.

    Raises:
        DataError: If workers keep dying.
        OutputError: If the cache cannot be written. Finished files stay cached.
        ValueError: If a window is longer than ``duration_s``, or ``workers`` is 0.

    Examples:
        >>> clips = prepare_clips(FolderSource("clips"), lite().foley, Path("cache"))  # doctest: +SKIP
        >>> clips.frames[0].shape  # doctest: +SKIP
        torch.Size([40, 3, 64, 64])
    """
    if workers == 0:
        raise ValueError("workers must not be 0; -1 takes every core")
    settings = ClipSettings.of(config, duration_s)
    if isinstance(source, ShardSource) and should_stream(source, settings):
        return stream_shards(source, settings)
    per_file = max(1, min(clips_per_file, _MOST_BYTES // settings.row_bytes))
    chunks = cached_clips(
        source,
        settings,
        cache_dir,
        _make,
        name="clips",
        clips_per_file=per_file,
        workers=workers,
        on_clip=on_clip,
    )
    return _join(source, settings, chunks)


def _make(file: ClipFile[ClipSettings]) -> int:
    """Decode the clips of one file and write it. Returns the number of clips that were read."""
    rows, faults = read_clips(file, read_clip)
    notes = {"clips": [_note(clip) for clip, _ in rows], "ledger": faults}
    write_chunk(file.path, _stack([row for _, row in rows], file.settings), notes)
    return len(file.clips)


def _note(clip: Clip) -> Record:
    events = clip.events
    known = None if events is None else [[event.time_s, event.is_onset_like] for event in events]
    return {"id": clip.id, "labels": list(clip.labels), "events": known}


def _stack(rows: Sequence[DecodedClip], settings: ClipSettings) -> dict[str, Tensor]:
    height, width = settings.frame_size
    if not rows:
        return {
            "frames": torch.empty((0, settings.num_frames, 3, height, width), dtype=torch.uint8),
            "mels": torch.empty((0, settings.mel.n_mels, settings.num_mel_frames), dtype=torch.float16),
            "lengths_s": torch.empty(0),
        }
    return {
        "frames": torch.stack([row.frames for row in rows]),
        "mels": torch.stack([row.mel for row in rows]),
        "lengths_s": torch.tensor([row.length_s for row in rows]),
    }


def _join(source: ClipSource, settings: ClipSettings, chunks: Sequence[tuple[str, Chunk]]) -> DecodedClips:
    rows = [tensors for _, (tensors, _) in chunks]
    known = [notes for _, (_, notes) in chunks]
    notes = [note for notes in known for note in notes["clips"]]
    events_s, is_onset_like = event_rows([note["events"] or [] for note in notes])
    return DecodedClips(
        ids=tuple(note["id"] for note in notes),
        frames=ChunkedRows([tensors["frames"] for tensors in rows]),
        mels=ChunkedRows([tensors["mels"] for tensors in rows]),
        kinds=kind_rows([note["labels"] for note in notes], source.label_names),
        events_s=events_s,
        is_onset_like=is_onset_like,
        has_events=torch.tensor([note["events"] is not None for note in notes], dtype=torch.bool),
        lengths_s=torch.cat([tensors["lengths_s"] for tensors in rows]),
        label_names=source.label_names,
        ledger=tuple(record for notes in known for record in notes["ledger"]),
        settings=settings,
        chunks=tuple((stem, len(notes["clips"])) for stem, (_, notes) in chunks),
    )
