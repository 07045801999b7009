"""Two gloo ranks, each of which accumulates its share of every metric.

``test_accumulators.py`` is rank 0, and starts rank 1 by ``python -m tests.metrics.two_ranks STORE JOBS``.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed

from cinefoley.metrics import accumulators

__all__ = ["accumulate_as_rank"]


def accumulate_as_rank(rank: int, store: Path, jobs: Path) -> dict[str, list[float]]:
    """Take every second batch of each job, from ``rank`` on. Returns the results over both ranks."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=2, timeout=timedelta(seconds=120)
    )
    try:
        results = {}
        for job in sorted(jobs.glob("*.npz")):
            with np.load(job) as arrays:
                results[job.stem] = _run(job.stem, {name: arrays[name] for name in arrays.files}, rank)
        return results
    finally:
        distributed.destroy_process_group()


def _run(name: str, arrays: dict[str, Any], rank: int) -> list[float]:
    """Accumulate this rank's batches of one metric, the last ones first."""
    updates = json.loads(str(arrays["updates"]))  # [positional arrays, options] of each batch
    metric = getattr(accumulators, name)(**json.loads(str(arrays["options"])))
    for positional, options in reversed(updates[rank::2]):
        metric.update(*(torch.from_numpy(arrays[key]) for key in positional), **options)
    result = metric.compute()
    return [float(value) for value in (result if isinstance(result, tuple) else (result,))]


if __name__ == "__main__":
    accumulate_as_rank(1, *map(Path, sys.argv[1:]))
