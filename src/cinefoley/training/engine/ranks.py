"""Ranks of a distributed training: rows of each rank, exchange of gradients, values and errors."""

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from cinefoley.errors import CinefoleyError
from cinefoley.pipelines.devices import choose_own_device, has_fast_bf16
from cinefoley.training.engine.task import Batch

__all__ = ["Ranks", "gather_rows", "gathering_disabled"]

_T = TypeVar("_T")
_IS_ALONE = ContextVar("is_alone", default=False)
_TIMEOUT = timedelta(hours=2)  # for the other ranks, while rank 0 validates or saves


class Ranks:
    """This process as one of the ranks that torchrun started, or as the only one.

    Args:
        device: Device to train on; None takes this process's own.

    Raises:
        CinefoleyError: If accelerate is not installed.
        ValueError: If it is another rank's device.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        try:
            from accelerate import Accelerator
        except ModuleNotFoundError as exc:
            raise CinefoleyError(
                "Training needs accelerate, which is not installed. Install it with "
                "`pip install 'cinefoley[train]'`."
            ) from exc
        self.device = device or choose_own_device()
        # accelerate's settings hold for the whole process, so it gets none: the engine controls precision,
        # accumulation, and the device of a single process
        is_alone = os.environ.get("WORLD_SIZE", "1") == "1"
        self._accelerator = Accelerator(cpu=is_alone or self.device.type == "cpu", mixed_precision="no")
        self.count: int = self._accelerator.num_processes
        self.index: int = self._accelerator.process_index
        given = self._accelerator.device
        if self.count > 1 and given.type == "cuda" and given != self.device:
            raise ValueError(
                f"rank {self.index} trains on {given}, not on {self.device}: torchrun gives every process "
                "its own GPU"
            )
        # values and errors go over gloo, also where gradients go over NCCL
        self._group = None
        if self.count > 1:
            self._group = distributed.new_group(backend="gloo", timeout=_TIMEOUT)
            atexit.unregister(_leave)
            atexit.register(_leave)  # threads of groups that are alive at exit can abort the process

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which writes files and reports to the user."""
        return self.index == 0

    def distribute(self, module: nn.Module) -> nn.Module:
        """Move a module to this rank's device, and average its gradients over all ranks."""
        module = module.to(self.device)
        if self.count == 1:
            return module
        distributed_module: nn.Module = self._accelerator.prepare(module)
        return distributed_module

    def without_sync(self, module: nn.Module) -> AbstractContextManager[Any]:
        """Accumulate gradients on this rank while the block runs; they are exchanged with the next ones."""
        return nullcontext() if self.count == 1 else self._accelerator.no_sync(module)

    def rows(self, batch_size: int, *, part: int, parts: int, index: int | None = None) -> slice:
        """Rows of the whole batch that a rank computes in one part of a step.

        Each part is divided among the ranks, so that a part holds the same clips for any number of ranks.
        """
        size = batch_size // (parts * self.count)
        start = (part * self.count + (self.index if index is None else index)) * size
        return slice(start, start + size)

    def to_device(self, batch: Batch) -> Batch:
        """The same batch on this rank's device."""
        return {name: rows.to(self.device, non_blocking=True) for name, rows in batch.items()}

    def gather(self, values: Tensor) -> Tensor:
        """The values of all ranks, ``(ranks, *values.shape)``, on the CPU."""
        if self._group is None:
            return values[None]
        gathered = [torch.empty_like(values) for _ in range(self.count)]
        distributed.all_gather(gathered, values, group=self._group)
        return torch.stack(gathered)

    def on_main(self, work: Callable[[], _T]) -> _T:
        """Call a function on rank 0 and broadcast its result; its errors are raised on all ranks."""
        if self._group is None:
            return work()
        outcome: list[Any] = [None]
        if self.is_main:
            try:
                outcome[0] = work()
            except CinefoleyError as exc:
                outcome[0] = exc
        distributed.broadcast_object_list(outcome, src=0, group=self._group)
        if isinstance(outcome[0], CinefoleyError):
            raise outcome[0]
        result: _T = outcome[0]
        return result

    @contextmanager
    def lost_ranks_explained(self) -> Iterator[None]:
        """Explain in an error that another rank stopped while the block waited for it."""
        try:
            yield
        except RuntimeError as exc:
            is_network = isinstance(exc, distributed.DistError) or "gloo" in str(exc) or "peer" in str(exc)
            if self.count == 1 or not is_network:
                raise
            raise CinefoleyError(
                f"Rank {self.index} has lost the other ranks: one of them has stopped, or cannot be reached; "
                "see its messages. The last checkpoint is untouched: run the same command again to resume."
            ) from exc

    def computes_in_bf16(self, precision: str) -> bool:
        """Whether a forward pass runs in bf16; with ``auto``, if bf16 is fast on every rank."""
        if precision != "auto":
            return precision == "bf16"
        on_cuda = self.device.type == "cuda"
        can = torch.cuda.is_bf16_supported() if on_cuda else self.device.type == "cpu" and has_fast_bf16()
        return bool(self.gather(torch.tensor(float(can))).min())


@contextmanager
def gathering_disabled() -> Iterator[None]:
    """Make :func:`gather_rows` return its own rows only while the block runs, since the other ranks wait."""
    token = _IS_ALONE.set(True)
    try:
        yield
    finally:
        _IS_ALONE.reset(token)


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all ranks, in the order of the batch; with a single process, its own rows.

    For losses that compare every sample of a batch with every other one. Each rank computes the loss of the
    whole batch from the result. Gradients flow back to every rank's own rows, summed over the ranks. Since
    the engine averages the parameter gradients over the ranks, several ranks train as one process does, also
    where parameters follow the gathering, such as a learned temperature.

    Args:
        rows: ``(B, ...)``, the same B on every rank.

    Returns:
        ``(ranks * B, ...)``. With accumulated gradients these are the rows of one part of the batch only.
    """
    if _IS_ALONE.get() or not (distributed.is_available() and distributed.is_initialized()):
        return rows
    if not rows.requires_grad:
        gathered = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(gathered, rows.contiguous())
        return torch.cat(gathered)
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(rows))
