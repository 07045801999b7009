"""The same work on this machine's cores or on a Dask cluster, by one joblib call, past workers that die."""

import logging
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import joblib
import torch

from cinefoley.errors import CinefoleyError, DataError

__all__ = ["Engine", "EngineName", "run_tasks"]

EngineName = Literal["processes", "dask"]
"""``processes`` of this machine, or the workers of a ``dask`` scheduler."""

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

_log = logging.getLogger(__name__)

_CONNECT_S = 20
_WORKERS_S = 60  # until the first is there: they may be started after us
_MOST_DEATHS = 8  # of workers, one after the other, without a finished task between them


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Where work is done."""

    name: EngineName = "processes"
    """Which kind."""
    jobs: int = 1
    """Processes of this machine; 1 works in this one, -1 takes every core. A cluster has its own number."""
    scheduler: str | None = None
    """Address of the Dask scheduler, such as ``tcp://10.0.0.1:8786``."""

    def __post_init__(self) -> None:
        if self.jobs == 0:
            raise ValueError("jobs must not be 0; -1 takes every core")
        if (self.name == "dask") != (self.scheduler is not None):
            raise ValueError("the engine dask needs a scheduler's address, and no other engine takes one")

    @contextmanager
    def started(self) -> Iterator[dict[str, Any]]:
        """Make ready. Yields what ``joblib.parallel_config`` takes.

        Raises:
            CinefoleyError: If Dask is not installed.
            DataError: If the scheduler does not answer, or has no worker.
        """
        if self.name == "processes":
            yield {"backend": "sequential" if self.jobs == 1 else "loky"}
            return
        client = _connect(str(self.scheduler))
        try:
            yield {"backend": "dask", "client": client}
        finally:
            client.close()


def run_tasks(
    work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], engine: Engine, *, option: str = "--workers"
) -> Generator[ResultT, None, None]:
    """Do all tasks, and hand their results out as they come.

    A worker that dies takes no result with it: what it was at is done again, by another. Work must therefore
    be such that doing it twice does no harm. Of work that kills every worker the run tires, unless it steps
    over that itself.

    Args:
        work: Does one task; must be importable by a worker, and return little.
        tasks: What there is to do.
        engine: Where.
        option: What the number of processes is called on the command line, for messages.

    Yields:
        One result for each task, in no order. Close the generator to drop what has not begun.

    Raises:
        DataError: If workers keep dying without finishing anything, or the cluster is lost.
        Exception: What ``work`` raises; tasks that were not begun are dropped then.
    """
    left = dict(enumerate(tasks))
    deaths = 0
    with engine.started() as settings:
        while left:
            try:
                with closing(_run_once(work, left, engine, settings)) as finished:
                    for number, result in finished:
                        deaths = 0
                        if left.pop(number, None) is not None:
                            yield result
            except _worker_deaths(engine) as exc:
                deaths += 1
                _log.warning("a worker has died; going on with %d tasks (%s)", len(left), exc)
                if deaths > _MOST_DEATHS:
                    raise DataError(
                        f"Workers have died {deaths} times without finishing anything, for want of memory "
                        "or over a broken clip. What is finished is kept. Run the same command again, with "
                        f"fewer {option}; with one, the clips after those shown hold it."
                    ) from exc


class _Failed:
    """What the work raised, on its way home."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Numbered(Generic[TaskT, ResultT]):
    """Work that tells which task a result is of, for results come in no order.

    What it raises comes home as a result: joblib would end its processes over it, see :func:`_run_once`.
    """

    def __init__(self, work: Callable[[TaskT], ResultT], *, is_one_of_several: bool) -> None:
        self._work, self._is_one_of_several = work, is_one_of_several

    def __call__(self, number: int, task: TaskT) -> tuple[int, ResultT | _Failed]:
        if self._is_one_of_several:
            torch.set_num_threads(1)  # of this process, which shares its machine with others
        try:
            return number, self._work(task)
        except Exception as exc:
            exc.add_note(traceback.format_exc())  # frames do not travel, notes do
            return number, _Failed(exc)


def _run_once(
    work: Callable[[TaskT], ResultT], left: dict[int, TaskT], engine: Engine, settings: dict[str, Any]
) -> Generator[tuple[int, ResultT], None, None]:
    is_local = engine.name == "processes"
    numbered = _Numbered(work, is_one_of_several=settings["backend"] != "sequential")
    waiting = list(left.items())[::-1]

    def calls() -> Iterator[Any]:
        while waiting:
            yield joblib.delayed(numbered)(*waiting.pop())

    with joblib.parallel_config(**settings):
        parallel = joblib.Parallel(
            n_jobs=engine.jobs,
            # what a dead worker takes with it is one task, and every task is long enough
            batch_size=1,
            # workers of a cluster may join later: their work must be waiting for them
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
            # Closing would kill the processes, and now and then the thread that feeds them (joblib 1.6,
            # KeyError in ExecutorManagerThread), after which whoever gives them work waits for ever. So what
            # was begun is finished, one task for each process.
            with suppress(Exception):
                for _ in results:
                    pass
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "[0-9]+ tasks ", UserWarning)  # were cancelled, as is meant
            results.close()


def _worker_deaths(engine: Engine) -> tuple[type[BaseException], ...]:
    if engine.name == "processes":
        return (BrokenExecutor,)
    from distributed import KilledWorker

    return (KilledWorker,)


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
            "--nthreads 1`, where cinefoley is installed and the folders are seen under the same names."
        ) from exc
    return client
