"""The processes that train together: how many, which one this is, and what they tell one another."""

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
_PATIENCE = timedelta(hours=2)  # how long the others wait for rank 0 to validate or to save


class Ranks:
    """This process among those that torchrun started, or alone.

    Args:
        device: Where this process trains; its own if None.

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
        # accelerate keeps its settings for a whole process: precision and accumulation are the engine's, and
        # so is the device of a process that is alone
        is_alone = os.environ.get("WORLD_SIZE", "1") == "1"
        self._accelerator = Accelerator(cpu=is_alone or self.device.type == "cpu", mixed_precision="no")
        self.count: int = self._accelerator.num_processes
        self.index: int = self._accelerator.process_index
        given = self._accelerator.device
        if self.count > 1 and given.type == "cuda" and given != self.device:
            raise ValueError(
                f"rank {self.index} trains on {given}, not on {self.device}: torchrun gives every process a "
                "GPU of its own"
            )
        # words and files go over gloo, also where gradients go over NCCL
        self._talk = None
        if self.count > 1:
            self._talk = distributed.new_group(backend="gloo", timeout=_PATIENCE)

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, the one that writes files and talks to the user."""
        return self.index == 0

    def share(self, module: nn.Module) -> nn.Module:
        """Move a module to this rank's device; its gradients become the means over all ranks."""
        module = module.to(self.device)
        if self.count == 1:
            return module
        shared: nn.Module = self._accelerator.prepare(module)
        return shared

    def alone(self, shared: nn.Module) -> AbstractContextManager[Any]:
        """Keep gradients to this rank for a while: they are exchanged with the next ones."""
        return nullcontext() if self.count == 1 else self._accelerator.no_sync(shared)

    def rows(self, batch_size: int, *, part: int, parts: int, index: int | None = None) -> slice:
        """Rows of the whole batch that a rank computes in one part of a step.

        Parts are divided among the ranks, not ranks into parts: the clips that are computed at the same time
        are the same however many ranks there are.
        """
        size = batch_size // (parts * self.count)
        start = (part * self.count + (self.index if index is None else index)) * size
        return slice(start, start + size)

    def moved(self, batch: Batch) -> Batch:
        """The same batch on this rank's device."""
        return {name: rows.to(self.device, non_blocking=True) for name, rows in batch.items()}

    def gather(self, values: Tensor) -> Tensor:
        """What every rank says, ``(ranks, *values.shape)``, on the CPU."""
        if self._talk is None:
            return values[None]
        heard = [torch.empty_like(values) for _ in range(self.count)]
        distributed.all_gather(heard, values, group=self._talk)
        return torch.stack(heard)

    def on_main(self, work: Callable[[], _T]) -> _T:
        """Have rank 0 do something and tell all others the result; its errors are everybody's."""
        if self._talk is None:
            return work()
        outcome: list[Any] = [None]
        if self.is_main:
            try:
                outcome[0] = work()
            except CinefoleyError as exc:
                outcome[0] = exc
        distributed.broadcast_object_list(outcome, src=0, group=self._talk)
        if isinstance(outcome[0], CinefoleyError):
            raise outcome[0]
        result: _T = outcome[0]
        return result

    @contextmanager
    def missing_others(self) -> Iterator[None]:
        """Say in plain words that another rank has died while the block waited for it."""
        try:
            yield
        except RuntimeError as exc:
            is_network = isinstance(exc, distributed.DistError) or "gloo" in str(exc) or "peer" in str(exc)
            if self.count == 1 or not is_network:
                raise
            raise CinefoleyError(
                f"Rank {self.index} has lost the other ranks: one of them has stopped, or cannot be reached "
                "any more; see what it said. The last checkpoint is untouched: run the same command again to "
                "continue."
            ) from exc

    def computes_in_bf16(self, precision: str) -> bool:
        """Whether a forward pass of this precision runs in bf16; ``auto`` where it is fast for every rank."""
        if precision != "auto":
            return precision == "bf16"
        on_cuda = self.device.type == "cuda"
        can = torch.cuda.is_bf16_supported() if on_cuda else self.device.type == "cpu" and has_fast_bf16()
        return bool(self.gather(torch.tensor(float(can))).min())


@contextmanager
def gathering_disabled() -> Iterator[None]:
    """Have :func:`gather_rows` gather nothing while the block runs: the other ranks wait."""
    token = _IS_ALONE.set(True)
    try:
        yield
    finally:
        _IS_ALONE.reset(token)


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all ranks, in the order of the batch; those of one process are all there are.

    For losses that compare every sample of a batch with every other one. Each rank computes the loss of the
    whole batch from the result. Gradients flow back to every rank's own rows, summed over the ranks; since
    the engine takes the mean of the ranks' parameter gradients, several ranks train as one does, also where
    parameters come after the gathering, like a learned temperature.

    Args:
        rows: ``(B, ...)``, the same B on every rank.

    Returns:
        ``(ranks * B, ...)``. With accumulated gradients these are the rows of one part of the batch only.
    """
    if _IS_ALONE.get() or not (distributed.is_available() and distributed.is_initialized()):
        return rows
    if not rows.requires_grad:
        heard = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(heard, rows.contiguous())
        return torch.cat(heard)
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(rows))
