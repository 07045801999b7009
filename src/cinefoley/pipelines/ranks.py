"""Ranks: which of torchrun's processes this is, sharing tasks among them, and waiting for all."""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from torch import distributed

from cinefoley.errors import OutputError
from cinefoley.media.files.claims import claim_each

__all__ = ["joined_ranks", "rank", "share_among_ranks", "world_size"]

TaskT = TypeVar("TaskT")

_PATIENCE = timedelta(days=7)  # until the slowest rank is done; gloo's default is half an hour


def world_size() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Number of this process among torchrun's, from 0; 0 without it."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def joined_ranks() -> Iterator[str]:
    """Wait for all ranks before the block and after it; no waiting with a single process.

    Yields:
        An id of this run, the same for every rank.
    """
    run = [secrets.token_hex(8)]
    if world_size() == 1:
        yield run[0]
        return
    distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        distributed.broadcast_object_list(run, src=0)
        yield run[0]
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def share_among_ranks(tasks: Sequence[TaskT], folder: Path) -> Iterator[TaskT]:
    """Yield tasks that no other rank does, handed out one by one to whoever is free.

    Returns when all ranks are done. Work that must not be repeated by a later run has to be recorded where
    that run finds it.

    Args:
        tasks: The same on every rank.
        folder: A folder that all ranks share, for claims and notes of finished tasks.

    Raises:
        OutputError: If the folder cannot be written.
    """
    if world_size() == 1:
        yield from tasks
        return
    with joined_ranks() as run:
        done = folder / f".cinefoley-run-{run}"
        try:
            done.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OutputError(f"{folder}: cannot be written ({exc.strerror}).") from exc
        for number in claim_each(
            range(len(tasks)), folder, lambda n: f"{run} {n}", lambda n: (done / str(n)).exists()
        ):
            yield tasks[number]
            (done / str(number)).touch()
    if rank() == 0:
        shutil.rmtree(done, ignore_errors=True)
