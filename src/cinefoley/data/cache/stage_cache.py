"""Stage clips as a model sees them, rendered once and kept on disk."""

import hashlib
import json
import logging
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.config.foley import FoleyConfig
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.stage import Split, draw_take, stage_digest
from cinefoley.stage.kinds import KINDS

__all__ = ["KIND_NAMES", "StageClips", "prepare_stage_clips"]

_log = logging.getLogger(__name__)

KIND_NAMES: tuple[str, ...] = tuple(actor.kind for actor in KINDS)
"""Names of the classes that :attr:`StageClips.kinds` holds."""

_MAX_EVENTS = 32
_CHUNK = 128
_SOURCE_FPS = (24.0, 25.0, 30.0)
_FORMAT = 2  # raise when this file changes what a chunk holds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageClips:
    """Clips of the stage, one window each, side by side in memory."""

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
    on_chunk: Callable[[int], None] | None = None,
) -> StageClips:
    """Render the first ``count`` clips of a split, or read them from the cache.

    Finished chunks of 128 clips are kept under a name that depends on all that shapes them, so a killed
    run goes on where it was and another configuration never meets a stale cache.

    Args:
        count: Number of clips, seeds 0 to ``count - 1``.
        split: Family of seeds.
        config: The model's window, frame size and mel.
        cache_dir: Folder of the cache.
        workers: Processes that render.
        on_chunk: Called with the number of clips that are ready after every chunk.

    Returns:
        All clips, in order of their seeds.
    """
    if count < 1:
        raise ValueError(f"count must be positive, got {count}")
    digest = hashlib.sha256(
        json.dumps([_FORMAT, asdict(config), stage_digest()], sort_keys=True).encode()
    ).hexdigest()
    folder = cache_dir / f"{split}-{digest[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {start: folder / f"{start:06d}.npz" for start in range(0, count, _CHUNK)}
    missing = [start for start, path in paths.items() if not path.exists()]
    if missing:
        _log.info("rendering %d of %d chunks of stage clips", len(missing), len(paths))
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            jobs = [pool.submit(_render_chunk, start, split, config, paths[start]) for start in missing]
            for done, job in enumerate(jobs, start=1):
                job.result()
                if on_chunk is not None:
                    on_chunk((len(paths) - len(missing) + done) * _CHUNK)
    chunks = [np.load(path) for path in paths.values()]
    joined = {
        name: torch.from_numpy(np.concatenate([chunk[name] for chunk in chunks])[:count])
        for name in chunks[0]
    }
    return StageClips(**joined)


def _render_chunk(start: int, split: Split, config: FoleyConfig, path: Path) -> None:
    torch.set_num_threads(1)
    clips = [_render(seed, split, config) for seed in range(start, start + _CHUNK)]
    aside = path.with_suffix(".part.npz")
    np.savez(
        aside, allow_pickle=False, **{name: np.stack([clip[name] for clip in clips]) for name in clips[0]}
    )
    aside.replace(path)


def _render(seed: int, split: Split, config: FoleyConfig) -> dict[str, NDArray[np.generic]]:
    take = draw_take(seed, split=split, duration_s=config.window_s)
    fps = _SOURCE_FPS[seed % len(_SOURCE_FPS)]
    # the frames that a decoder would pick from a file: the last one before the middle of each interval
    limits = (np.arange(config.video_frames) + 0.5) / config.video_fps
    times_s = (np.ceil(limits * fps - 1e-9) - 1) / fps
    frames = take.frames(times_s, size=config.frame_size, aspect=take.aspect)
    mel = mel_spectrogram(torch.from_numpy(take.waveform(config.mel.sample_rate))[None], config.mel)[0]
    kinds = [KIND_NAMES.index(actor.kind) for actor in take.actors]
    events = take.events(size=config.frame_size)
    times = np.full(_MAX_EVENTS, np.nan, dtype=np.float32)
    times[: len(events)] = [event.time_s for event in events]
    onset_like = np.zeros(_MAX_EVENTS, dtype=np.bool_)
    onset_like[: len(events)] = [event.is_onset_like for event in events]
    return {
        "frames": np.ascontiguousarray(frames.transpose(0, 3, 1, 2)),
        "mels": mel[:, : config.mel_frames].to(torch.float16).numpy(),
        "kinds": np.asarray([kinds[0], kinds[-1]]),
        "events_s": times,
        "is_onset_like": onset_like,
    }
