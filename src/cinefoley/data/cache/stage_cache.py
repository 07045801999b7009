"""Stage clip cache: clips of the stage as tensors, one window each, rendered once."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.events.rows import event_rows, kind_rows
from cinefoley.data.json_lines import json_digest
from cinefoley.data.parallel import Engine, one_thread, run_tasks
from cinefoley.data.sources.clip_reader import ClipSettings, DecodedClip, read_clip
from cinefoley.data.sources.stage import KIND_NAMES, StageClip
from cinefoley.stage import Split, StageVersion, stage_digest

__all__ = ["KIND_NAMES", "StageClips", "prepare_stage_clips", "prepare_stage_mels"]

_log = logging.getLogger(__name__)

_MAX_EVENTS = 32
_CHUNK = 128
_FORMAT = 2  # raise when the content of a chunk changes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageClips:
    """Clips of the stage, one window each, in memory."""

    frames: Tensor
    """``(N, T, 3, H, W)`` uint8, squashed to the model's frame size."""
    mels: Tensor
    """``(N, n_mels, frames)`` float16 in [0, 1]."""
    kinds: Tensor
    """``(N, 2)`` int64, indices into :data:`KIND_NAMES`: the first source's, and the second's or again the
    first's."""
    events_s: Tensor
    """``(N, 32)`` float32, seconds of the events, padded with NaN."""
    is_onset_like: Tensor
    """``(N, 32)`` bool, whether each event starts sharply."""

    def __len__(self) -> int:
        return len(self.kinds)


def prepare_stage_clips(
    count: int,
    *,
    split: Split,
    config: FoleyConfig,
    cache_dir: Path,
    workers: int = 2,
    version: StageVersion | None = None,
    on_chunk: Callable[[int], None] | None = None,
) -> StageClips:
    """Render the first ``count`` clips of a split, or read them from the cache.

    Clips are cached in chunks of 128, named by all that shapes them: a run that was killed resumes, and
    another configuration finds nothing of this one's.

    Args:
        count: Number of clips, seeds 0 to ``count - 1``.
        split: Family of seeds.
        config: The model's window, frame size and mel.
        cache_dir: Folder of the cache.
        workers: Processes that render.
        version: Which stage; :data:`~cinefoley.stage.version.DEFAULT_VERSION` if None.
        on_chunk: Called with the number of clips that are ready, after every chunk that is rendered.

    Returns:
        All clips, in order of their seeds.
    """
    chunks = _prepare_chunks(count, split, config, cache_dir, workers, version, on_chunk)
    return StageClips(**_join(chunks, count))


def prepare_stage_mels(
    count: int,
    *,
    split: Split,
    config: FoleyConfig,
    cache_dir: Path,
    workers: int = 2,
    version: StageVersion | None = None,
) -> Tensor:
    """Mels ``(N, n_mels, frames)`` of :func:`prepare_stage_clips` alone.

    Frames, most of the cache's bytes, are not read.
    """
    chunks = _prepare_chunks(count, split, config, cache_dir, workers, version)
    return _join(chunks, count, names=("mels",))["mels"]


def _prepare_chunks(
    count: int,
    split: Split,
    config: FoleyConfig,
    cache_dir: Path,
    workers: int,
    version: StageVersion | None,
    on_chunk: Callable[[int], None] | None = None,
) -> dict[int, Path]:
    """Render the chunks that are missing; all of them, by the first clip of each."""
    if count < 1:
        raise ValueError(f"count must be positive, got {count}")
    folder = (
        cache_dir / f"{split}-{json_digest([_FORMAT, config.describe_window(), stage_digest(version)])[:12]}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = {start: folder / f"{start:06d}.npz" for start in range(0, count, _CHUNK)}
    missing = [(start, path) for start, path in paths.items() if not path.exists()]
    if missing:
        _log.info("rendering %d of %d chunks of stage clips", len(missing), len(paths))
    render = partial(_render_chunk, split=split, config=config, version=version)
    finished = run_tasks(render, missing, Engine(jobs=workers))
    for done, _ in enumerate(finished, start=len(paths) - len(missing) + 1):
        if on_chunk is not None:
            on_chunk(done * _CHUNK)
    return paths


def _join(chunks: dict[int, Path], count: int, names: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Arrays of all chunks, or those with ``names``; copied chunk by chunk, so that no clip is held twice."""
    joined: dict[str, Tensor] = {}
    for start, path in chunks.items():
        rows = min(_CHUNK, count - start)
        with np.load(path) as chunk:
            for name in names or chunk.files:
                array = torch.from_numpy(chunk[name][:rows])
                if name not in joined:
                    joined[name] = torch.empty((count, *array.shape[1:]), dtype=array.dtype)
                joined[name][start : start + rows] = array
    return joined


def _render_chunk(
    task: tuple[int, Path], *, split: Split, config: FoleyConfig, version: StageVersion | None
) -> None:
    start, path = task
    settings = ClipSettings.of(config, config.window_s)
    clips = [
        StageClip(seed=seed, split=split, duration_s=config.window_s, version=version)
        for seed in range(start, start + _CHUNK)
    ]
    rows: list[DecodedClip] = []
    with one_thread():
        for clip in clips:
            row = read_clip(clip, settings)
            assert isinstance(row, DecodedClip), row  # stage clips have no faults
            rows.append(row)
    known = [[(event.time_s, event.is_onset_like) for event in clip.events] for clip in clips]
    times, is_onset_like = event_rows(known, width=_MAX_EVENTS)
    arrays = {
        "frames": torch.stack([row.frames for row in rows]),
        "mels": torch.stack([row.mel[:, : config.mel_frames] for row in rows]),
        "kinds": kind_rows([clip.labels for clip in clips], KIND_NAMES),
        "events_s": times,
        "is_onset_like": is_onset_like,
    }
    aside = path.with_suffix(".part.npz")
    np.savez(aside, allow_pickle=False, **{name: array.numpy() for name, array in arrays.items()})
    aside.replace(path)
