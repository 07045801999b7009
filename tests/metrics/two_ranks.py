"""One of several gloo ranks: accumulates its share of every metric and, on rank 0, prints what comes out.

Run by ``test_accumulators.py`` as ``python two_ranks.py RANK RANKS STORE JOBS``.
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

__all__ = ["main"]


def main(rank: int, ranks: int, store: Path, jobs: Path) -> None:
    """Take every ``ranks``-th batch of each job, from ``rank`` on."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=ranks, timeout=timedelta(seconds=120)
    )
    results = {}
    for job in sorted(jobs.glob("*.npz")):
        with np.load(job) as arrays:
            results[job.stem] = run(job.stem, {name: arrays[name] for name in arrays.files}, rank, ranks)
    if rank == 0:
        sys.stdout.write(json.dumps(results))
    distributed.destroy_process_group()


def run(name: str, arrays: dict[str, Any], rank: int, ranks: int) -> list[float]:
    """Accumulate this rank's batches of one metric, the last ones first."""
    updates = json.loads(str(arrays["updates"]))  # [positional arrays, options] of each batch
    metric = getattr(accumulators, name)(**json.loads(str(arrays["options"])))
    for positional, options in reversed(updates[rank::ranks]):
        metric.update(*(torch.from_numpy(arrays[key]) for key in positional), **options)
    result = metric.compute()
    return [float(value) for value in (result if isinstance(result, tuple) else (result,))]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
