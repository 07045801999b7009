"""Parallel work on this machine's cores or on a Dask cluster; survives workers that die."""

import logging
import os
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence, Sized
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import joblib
import torch

from cinefoley.errors import CinefoleyError, DataError

__all__ = ["Engine", "EngineName", "one_thread", "run_missing", "run_tasks"]

EngineName = Literal["processes", "dask"]
"""``processes`` on this machine, or the workers of a ``dask`` scheduler."""

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")
SizedT = TypeVar("SizedT", bound=Sized)

_log = logging.getLogger(__name__)

_CONNECT_S = 20
_WORKERS_S = 60  # until the first worker joins: workers may be started after this process
_MOST_DEATHS = 8  # of workers in a row, without a finished task between them


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Where tasks run."""

    name: EngineName = "processes"
    """Processes of this machine, or a Dask cluster."""
    jobs: int = 1
    """Worker processes: 1 runs tasks in this process, -1 uses every core. A cluster has its own number."""
    scheduler: str | None = None
    """Address of the Dask scheduler, such as ``tcp://10.0.0.1:8786``."""

    def __post_init__(self) -> None:
        if self.jobs == 0:
            raise ValueError("jobs must not be 0; -1 takes every core")
        if (self.name == "dask") != (self.scheduler is not None):
            raise ValueError("the engine dask needs a scheduler's address, and no other engine takes one")

    def count_workers(self) -> int:
        """Worker processes that there are now.

        Raises:
            CinefoleyError: If Dask is not installed.
            DataError: If the scheduler does not answer, or has no worker.
        """
        if self.name == "processes":
            return self.jobs if self.jobs > 0 else joblib.cpu_count()
        client = _connect(str(self.scheduler))
        try:
            return len(client.ncores())
        finally:
            client.close()

    @contextmanager
    def started(self) -> Iterator[dict[str, Any]]:
        """Connect, if need be. Yields the arguments of ``joblib.parallel_config``.

        Raises:
            CinefoleyError: If Dask is not installed.
            DataError: If the scheduler does not answer, or has no worker.
        """
        if self.name == "processes":
            yield {"backend": "sequential" if self.jobs == 1 else "loky"}
            return
        client = _connect(str(self.scheduler))
        try:
            yield {"backend": _cluster_backend(client)}
        finally:
            client.close()


def run_tasks(
    work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], engine: Engine
) -> Generator[ResultT, None, None]:
    """Run all tasks, and yield their results as they are finished.

    The task of a worker that dies is run again by another worker, so running a task twice must do no harm.
    If the scheduler of a cluster dies, the tasks go on when another answers at the same address in time.
    A task that kills every worker ends the run, unless ``work`` skips it by itself.

    Args:
        work: Runs one task; must be importable by a worker, and return little. Relative paths mean the same
            to it as to this process, where a worker sees this process's folder.
        tasks: One argument of ``work`` each.
        engine: Where they run.

    Yields:
        One result for each task, in any order. Close the generator to drop tasks that have not begun.

    Raises:
        DataError: If workers keep dying without finishing anything, or the scheduler does not come back.
        Exception: What ``work`` raises; tasks that were not begun are dropped then.
    """
    left = dict(enumerate(tasks))
    deaths = 0
    while left:
        with engine.started() as settings:  # again after a loss: a new scheduler may have the same address
            try:
                with closing(_run_once(work, left, engine, settings)) as finished:
                    for number, result in finished:
                        deaths = 0
                        if number in left:
                            del left[number]
                            yield result
            except _losses(engine) as exc:
                deaths += 1
                _log.warning("a worker or the scheduler is lost; %d tasks are left (%s)", len(left), exc)
                if deaths > _MOST_DEATHS:
                    raise DataError(
                        f"Workers have died {deaths} times without finishing anything: out of memory, or by "
                        "a broken clip. Finished clips are kept. Run the same command again with fewer "
                        "--workers; with one, the broken clip is among those after the last one shown."
                    ) from exc


def run_missing(
    work: Callable[[SizedT], int],
    missing: Sequence[SizedT],
    engine: Engine,
    *,
    total: int,
    stored_in: str,
    on_done: Callable[[int, int], None] | None = None,
) -> None:
    """Run the tasks that an earlier run has not finished, and count what is done.

    Args:
        work: Runs one task, and returns its size.
        missing: The tasks.
        engine: Where they run.
        total: Sum of the sizes of all tasks, finished ones included.
        stored_in: What is counted, and where it is stored, for messages: ``clips`` ... in a folder.
        on_done: Called with finished and all sizes, after each task.

    Raises:
        CinefoleyError: As ``work`` and :func:`run_tasks` raise it, with how much is finished.
    """
    done = total - sum(map(len, missing))
    try:
        with closing(run_tasks(work, missing, engine)) as sizes:
            for size in sizes:
                done += size
                if on_done is not None:
                    on_done(done, total)
    except CinefoleyError as exc:
        raise type(exc)(f"{exc} {done} of {total} {stored_in}; the same command resumes there.") from exc


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute with one thread: how a sum is divided among threads changes its last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Failed:
    """An exception of the work, sent back as a result."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Numbered(Generic[TaskT, ResultT]):
    """Work that returns the number of its task with the result, because results come in any order.

    Exceptions are returned as results: joblib would end its processes, see :func:`_run_once`.
    """

    def __init__(
        self, work: Callable[[TaskT], ResultT], *, is_one_of_several: bool, folder: Path | None
    ) -> None:
        self._work, self._is_one_of_several, self._folder = work, is_one_of_several, folder

    def __call__(self, number: int, task: TaskT) -> tuple[int, ResultT | _Failed]:
        if self._is_one_of_several:
            torch.set_num_threads(1)  # the other workers use the other cores
        if self._folder is not None:
            with suppress(OSError):  # a folder of the other machine alone: then paths must be absolute
                os.chdir(self._folder)
        try:
            return number, self._work(task)
        except Exception as exc:
            exc.add_note(traceback.format_exc())  # stack frames cannot be pickled, notes can
            return number, _Failed(exc)


def _run_once(
    work: Callable[[TaskT], ResultT], left: dict[int, TaskT], engine: Engine, settings: dict[str, Any]
) -> Generator[tuple[int, ResultT], None, None]:
    is_local = engine.name == "processes"
    numbered = _Numbered(
        work,
        is_one_of_several=settings["backend"] != "sequential",
        folder=None if is_local else Path.cwd(),
    )
    waiting = list(left.items())[::-1]

    def calls() -> Iterator[Any]:
        while waiting:
            yield joblib.delayed(numbered)(*waiting.pop())

    with joblib.parallel_config(**settings):
        parallel = joblib.Parallel(
            n_jobs=engine.jobs,
            # a dead worker loses one task only, and every task is long enough
            batch_size=1,
            # workers of a cluster may join later: tasks must be queued for them
            pre_dispatch="n_jobs" if is_local else "all",
            return_as="generator_unordered",
        )
        results = parallel(calls())
    try:
        for number, result in results:
            if isinstance(result, _Failed):
                raise result.error
            yield number, result
    finally:
        waiting.clear()
        if is_local:
            # Closing would kill the processes, and sometimes the thread that feeds them (joblib 1.6, KeyError
            # in ExecutorManagerThread), after which the next call waits for ever. So tasks that have begun
            # are finished, one for each process.
            with suppress(Exception):
                for _ in results:
                    pass
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "[0-9]+ tasks ", UserWarning)  # were cancelled, as intended
            results.close()


def _losses(engine: Engine) -> tuple[type[BaseException], ...]:
    """Errors that tell of a worker that has died, or of a scheduler."""
    if engine.name == "processes":
        return (BrokenExecutor,)
    from distributed import KilledWorker

    return (KilledWorker, CancelledError)  # the latter: the scheduler is lost


def _cluster_backend(client: Any) -> Any:
    """Backend of joblib for Dask, which uses the cluster even while it has a single worker.

    With one worker, joblib would run every task in this process, also when more workers join later.
    """
    from joblib._dask import DaskDistributedBackend

    class Cluster(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: int) -> int:
            return max(2, int(super().effective_n_jobs(n_jobs)))

    return Cluster(client=client)


def _connect(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as exc:
        raise CinefoleyError(
            "The engine dask needs Dask, which is not installed. Install it with "
            "`pip install 'cinefoley[data]'`, on every worker too."
        ) from exc
    try:
        client: Any = Client(address, timeout=_CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as exc:
        raise DataError(
            f"{address}: no Dask scheduler answers there ({exc}). Start one with `dask scheduler`, and "
            "workers with `dask worker ADDRESS --nthreads 1`; name the address with --scheduler."
        ) from exc
    try:
        client.wait_for_workers(1, timeout=_WORKERS_S)
    except TimeoutError as exc:
        client.close()
        raise DataError(
            f"{address}: the Dask scheduler has no worker. Start some with `dask worker {address} "
            "--nthreads 1`, where cinefoley is installed and the folders have the same paths."
        ) from exc
    return client
