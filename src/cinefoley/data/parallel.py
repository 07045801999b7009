"""Work on many files by several processes, each result told as it comes."""

import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import BrokenExecutor
from typing import TypeVar

import torch

from cinefoley.errors import DataError

__all__ = ["run_all"]

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def run_all(
    work: Callable[[ItemT], ResultT], items: Sequence[ItemT], workers: int, *, option: str = "--workers"
) -> Generator[ResultT, None, None]:
    """Call ``work`` on every item, in this process or in others.

    Args:
        work: A function of a module, which other processes can import.
        items: What it is called with.
        workers: Processes; -1 for every core, 1 for this one.
        option: What the number of processes is called on the command line, for messages.

    Yields:
        What it returned, in the order in which calls ended. Close the generator to cancel what has not begun.

    Raises:
        DataError: If a process has died.
        Exception: What ``work`` raised.
    """
    if workers == 1 or len(items) < 2:
        yield from map(work, items)
        return
    import joblib

    jobs = (joblib.delayed(_alone)(work, item) for item in items)
    results = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")(jobs)
    try:
        for result in results:  # noqa: UP028  # `yield from` would close it before `finally` does
            yield result
    except BrokenExecutor as exc:
        raise DataError(
            "A process at work has died, for want of memory or over a broken clip; finished clips are kept. "
            f"Run the same command again, with fewer {option}; with one, the clips after those shown hold it."
        ) from exc
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "[0-9]+ tasks ", UserWarning)  # were cancelled, as is meant
            results.close()


def _alone(work: Callable[[ItemT], ResultT], item: ItemT) -> ResultT:
    torch.set_num_threads(1)  # of this process, one of several
    return work(item)
