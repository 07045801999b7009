"""Sharing the embedding of files among the processes that torchrun starts."""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from torch import distributed

from cinefoley.evaluation.cache import FeatureCache
from cinefoley.evaluation.features import embed_files
from cinefoley.metrics.backbones.protocol import Backbone
from cinefoley.metrics.backbones.reading import Reading

__all__ = ["embed_in_ranks", "local_rank", "world_size"]

_PATIENCE = timedelta(days=7)  # ranks wait for the slowest; gloo's own half hour is too short for a test set


def world_size() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Which GPU of this machine is this process's."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def embed_in_ranks(
    paths: Sequence[Path],
    backbones: Sequence[Backbone],
    *,
    reading: Reading,
    cache: FeatureCache,
    on_file: Callable[[int, int], None] | None = None,
) -> bool:
    """Embed this rank's share of the files into the cache, and wait for the others.

    Every file is embedded alone and rank 0 computes all numbers from the cache, in the order of names, so
    they do not depend on the number of ranks.

    Args:
        paths: All files, in the same order on every rank.
        backbones: The networks.
        reading: How files become waveforms.
        cache: A folder that all ranks share.
        on_file: Called with finished and all files of this rank.

    Returns:
        Whether this is rank 0, which goes on.
    """
    distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        rank, ranks = distributed.get_rank(), distributed.get_world_size()
        embed_files(paths[rank::ranks], backbones, reading=reading, cache=cache, on_file=on_file)
        distributed.barrier()
        return rank == 0
    finally:
        distributed.destroy_process_group()
