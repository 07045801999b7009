"""Distribute the embedding of files over the ranks that torchrun starts."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from torch import distributed

from cinefoley.errors import MediaError
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.features import embed_files
from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import PerClipMetric
from cinefoley.metrics.backbones.protocol import Backbone
from cinefoley.metrics.backbones.reading import Reading

__all__ = ["embed_in_ranks", "world_size"]

_PATIENCE = timedelta(days=7)  # until the slowest rank is done; gloo's default is half an hour


def world_size() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def embed_in_ranks(
    real: Sequence[Path],
    samples: Sequence[Sample],
    backbones: Sequence[Backbone],
    metrics: Sequence[PerClipMetric] = (),
    *,
    reading: Reading,
    cache: FeatureCache,
    on_file: Callable[[int, int], None] | None = None,
) -> bool:
    """Compute this rank's share of the cached features and metrics, and wait for the other ranks.

    Every file is embedded and measured alone, and rank 0 computes all numbers from the cache, in the order of
    names, so they do not depend on the number of ranks.

    Args:
        real: All real files, in the same order on every rank, like all that follow.
        samples: All generated ones.
        backbones: The networks.
        metrics: Those that cache their results are computed here, the others by rank 0 alone.
        reading: How files become waveforms.
        cache: A folder that all ranks share.
        on_file: Called with finished and all files of this rank.

    Returns:
        Whether this is rank 0, which continues.
    """
    distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        rank, ranks = distributed.get_rank(), distributed.get_world_size()
        paths = sorted({*real, *(sample.path for sample in samples)})[rank::ranks]
        embed_files(paths, backbones, reading=reading, cache=cache, on_file=on_file)
        clips = set(sorted({sample.clip for sample in samples})[rank::ranks])  # its samples share a video
        sharing = [metric for metric in metrics if metric.caches_results]
        for sample in (sample for sample in samples if sample.clip in clips):
            with suppress(MediaError, ValueError):  # an unusable sound, which rank 0 reports
                for metric in sharing:
                    metric.measure([sample])
        distributed.barrier()
        return rank == 0
    finally:
        distributed.destroy_process_group()
