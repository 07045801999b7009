"""Decoding every clip of a source once, in parallel, into files that later runs map."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.cache.clip_windows import DecodedClips
from cinefoley.data.cache.content_cache import ContentFile, make_missing, plan_files, settings_digest
from cinefoley.data.cache.shard_stream import should_stream, stream_shards
from cinefoley.data.cache.tensor_files import Chunk, claimed_cache, read_chunk, write_chunk
from cinefoley.data.cache.tensor_rows import ChunkedRows
from cinefoley.data.events.rows import event_rows, kind_rows
from cinefoley.data.json_lines import Record
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.sources.clip_reader import ClipSettings, DecodedClip, read_clip
from cinefoley.data.sources.clip_source import Clip, ClipFault, ClipSource
from cinefoley.data.sources.file_digests import FileDigests
from cinefoley.errors import DataError

__all__ = ["prepare_clips"]

_log = logging.getLogger(__name__)

_MOST_BYTES = 2**26  # of a file: every process at work holds one in memory


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

    Clips lie in files of up to 32, named by a hash of their contents, of what is known about them and of how
    they are read: a film that is replaced, a label that is changed or another mel never meet stale numbers,
    and a list that grows keeps what it had. A run that was killed goes on at the first file that is not
    there; a file that was cut off is made again. Of several processes that ask for the same clips, one makes
    them and the others wait.

    Shards that are smaller than what would be decoded of them are not decoded ahead: their rows are decoded
    when they are asked for, and nothing is written.

    Args:
        source: The clips.
        config: The model's mel, rate, frame size and window: a clip must hold one window.
        cache_dir: Where the files go, under ``clips-*``; made if it is missing.
        duration_s: Seconds that are kept of a clip, from its start.
        workers: Processes at work; -1 for every core.
        clips_per_file: At most; fewer where they are large. It is what a kill loses, and what processes take
            turns at.
        on_clip: Called with finished clips and all clips, after each file.

    Returns:
        All clips that can be used, in the source's order, and the ledger of the others.

    Raises:
        DataError: If processes at work keep dying.
        OutputError: If the cache cannot be written. What is finished is kept.
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
    folder = cache_dir / f"clips-{settings_digest(settings.describe())[:12]}"
    with claimed_cache(cache_dir), FileDigests(cache_dir / "digests.jsonl") as digests:
        prints = source.fingerprints(digests.sha256)
    per_file = max(1, min(clips_per_file, _MOST_BYTES // settings.row_bytes))
    plans = plan_files(source, prints, settings, folder, clips_per_file=per_file)
    with claimed_cache(folder):
        made = make_missing(plans, _make, workers=workers, on_clip=on_clip)
        if made:
            _log.info("%d of %d files of clips made in %s", made, len(plans), folder)
    chunks = [_read(plan) for plan in plans]
    return _join(source, settings, plans, chunks)


_Plan = ContentFile[ClipSettings]


def _make(plan: _Plan) -> int:
    """Decode the clips of one file and write it. Returns how many clips were looked at."""
    rows: list[tuple[Clip, DecodedClip]] = []
    faults: list[Record] = []
    for clip in plan.clips:
        read = read_clip(clip, plan.settings)
        if isinstance(read, ClipFault):
            faults.append({"id": clip.id, "reason": read.reason, "message": read.message})
        else:
            rows.append((clip, read))
    notes = {
        "clips": [_note(clip) for clip, _ in rows],
        "ledger": faults,
    }
    write_chunk(plan.path, _stack([row for _, row in rows], plan.settings), notes)
    return len(plan.clips)


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


def _read(plan: _Plan) -> Chunk:
    chunk = read_chunk(plan.path)
    if chunk is None:
        raise DataError(
            f"{plan.path}: was there a moment ago and cannot be read. Was the cache cleared? Run again."
        )
    return chunk


def _join(
    source: ClipSource, settings: ClipSettings, plans: Sequence[_Plan], chunks: Sequence[Chunk]
) -> DecodedClips:
    notes = [note for _, known in chunks for note in known["clips"]]
    events_s, is_onset_like = event_rows([note["events"] or [] for note in notes])
    return DecodedClips(
        ids=tuple(note["id"] for note in notes),
        frames=ChunkedRows([tensors["frames"] for tensors, _ in chunks]),
        mels=ChunkedRows([tensors["mels"] for tensors, _ in chunks]),
        kinds=kind_rows([note["labels"] for note in notes], source.label_names),
        events_s=events_s,
        is_onset_like=is_onset_like,
        has_events=torch.tensor([note["events"] is not None for note in notes], dtype=torch.bool),
        lengths_s=torch.cat([tensors["lengths_s"] for tensors, _ in chunks]),
        label_names=source.label_names,
        ledger=tuple(record for _, known in chunks for record in known["ledger"]),
        settings=settings,
        chunks=tuple(
            (plan.path.stem, len(known["clips"])) for plan, (_, known) in zip(plans, chunks, strict=True)
        ),
    )
