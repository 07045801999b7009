"""Log-mels of Foley stage clips, the audio classifier's training data, cached on disk."""

import hashlib
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cinefoley.data.cache.stage_cache import KIND_NAMES
from cinefoley.metrics.backbones.panns import log_mel
from cinefoley.stage import Split, StageVersion, draw_take, stage_digest

__all__ = ["StageLogMels", "prepare_log_mels"]

_CHUNK = 256
_RATE = 16000
_FORMAT = 1  # raise when the content of a chunk changes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageLogMels:
    """Log-mels and kinds of sounds of the Foley stage, 8 s each."""

    log_mels: Tensor
    """``(N, 801, 64)`` float16, dB, 10 ms a frame."""
    kinds: Tensor
    """``(N, 2)`` int64, both sources' kinds, twice the same if there is one."""
    is_heard: Tensor
    """``(N,)`` bool, whether the clip is audible."""


def prepare_log_mels(
    count: int, *, split: Split, cache_dir: Path, workers: int = 2, version: StageVersion | None = None
) -> StageLogMels:
    """Compute the log-mels of the first ``count`` clips of a split, or read them from the cache.

    Raises:
        ValueError: If ``count`` is not positive.
    """
    if count < 1:
        raise ValueError(f"count must be positive, got {count}")
    digest = hashlib.sha256(json.dumps([_FORMAT, stage_digest(version)]).encode()).hexdigest()
    folder = cache_dir / f"sounds-{split}-{digest[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {start: folder / f"{start:06d}.npz" for start in range(0, count, _CHUNK)}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(_chunk, start, split, path, version)
            for start, path in paths.items()
            if not path.exists()
        ]
        for job in jobs:
            job.result()
    chunks = [np.load(path) for path in paths.values()]
    columns = {
        name: torch.from_numpy(np.concatenate([chunk[name] for chunk in chunks])[:count])
        for name in ("log_mels", "kinds", "is_heard")
    }
    return StageLogMels(**columns)


def _chunk(start: int, split: Split, path: Path, version: StageVersion | None) -> None:
    torch.set_num_threads(1)
    mels, kinds, is_heard = [], [], []
    for seed in range(start, start + _CHUNK):
        take = draw_take(seed, split=split, duration_s=8.0, version=version)
        waveform = take.waveform(_RATE)
        mels.append(log_mel(torch.from_numpy(waveform)).to(torch.float16).numpy())
        names = [actor.kind for actor in take.actors]
        kinds.append([KIND_NAMES.index(names[0]), KIND_NAMES.index(names[-1])])
        is_heard.append(bool(np.abs(waveform).max() > 0))
    aside = path.with_suffix(".part.npz")
    np.savez(
        aside, allow_pickle=False, log_mels=np.stack(mels), kinds=np.array(kinds), is_heard=np.array(is_heard)
    )
    aside.replace(path)
