"""Many rows of numbers in many files, read as if they were one tensor."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["ChunkedRows", "TensorRows", "WindowedRows"]


class TensorRows(Protocol):
    """What a training task needs of a tensor ``(N, ...)``: its shape, and rows of it. Every tensor is one."""

    @property
    def shape(self) -> Sequence[int]:
        """Sizes, the number of rows first."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Tensor:
        """One row, a slice, or the rows that a tensor of numbers names; further indices apply to each row."""
        ...


class ChunkedRows:
    """Rows that lie in several tensors, usually mapped from files.

    Only what is asked for is read, into memory of its own; the files' pages are the operating system's to
    keep or drop, so the memory of a run does not grow with the number of rows.

    Args:
        chunks: Tensors ``(n_i, ...)`` that differ in their first size only; at least one.
        dtype: What rows are converted to; None keeps the files'.
        scale: What rows are multiplied by.

    Raises:
        ValueError: If there is no chunk, or shapes or dtypes differ.
    """

    def __init__(self, chunks: Sequence[Tensor], *, dtype: torch.dtype | None = None, scale: float = 1.0):
        if not chunks:
            raise ValueError("a column needs one chunk at least")
        if len({(chunk.shape[1:], chunk.dtype) for chunk in chunks}) > 1:
            raise ValueError("the chunks of a column must have rows of one shape and one dtype")
        self._chunks = list(chunks)
        self._dtype = dtype or chunks[0].dtype
        self._scale = scale
        self._ends = torch.tensor([len(chunk) for chunk in chunks]).cumsum(0)

    @property
    def shape(self) -> torch.Size:
        """``(N, ...)``."""
        return torch.Size([len(self), *self._chunks[0].shape[1:]])

    @property
    def dtype(self) -> torch.dtype:
        """Of the rows that are handed out."""
        return self._dtype

    def scaled(self, factor: float) -> "ChunkedRows":
        """The same rows, multiplied when they are read."""
        return ChunkedRows(self._chunks, dtype=self._dtype, scale=self._scale * factor)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: Any) -> Tensor:
        """Copy rows out.

        Args:
            index: A number, a slice, a tensor of numbers of any shape, or a tuple that begins with one of
                these and goes on as for the row.

        Raises:
            IndexError: If a row is not there.
        """
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, int):
            return self._gather(torch.tensor([first]), rest)[0]
        if isinstance(first, slice):
            return self._gather(torch.arange(len(self))[first], rest)
        numbers = torch.as_tensor(first)
        if numbers.dtype == torch.bool:
            numbers = numbers.nonzero()[:, 0]
        gathered = self._gather(numbers.flatten().cpu(), rest)
        return gathered.reshape(*numbers.shape, *gathered.shape[1:])

    def _gather(self, numbers: Tensor, rest: Sequence[Any]) -> Tensor:
        count = len(self)
        if len(numbers) and not (-count <= int(numbers.min()) and int(numbers.max()) < count):
            raise IndexError(
                f"rows are 0 to {count - 1}, asked for {int(numbers.min())}..{int(numbers.max())}"
            )
        numbers = numbers % count if count else numbers
        owners = torch.bucketize(numbers, self._ends, right=True)
        rows: list[Tensor] = []
        for number, owner in zip(numbers.tolist(), owners.tolist(), strict=True):
            chunk = self._chunks[owner]
            row = chunk[number - int(self._ends[owner]) + len(chunk)]
            rows.append(row[tuple(rest)] if rest else row)
        if not rows:
            empty = torch.empty((1, *self.shape[1:]), dtype=self._dtype)
            return empty[(slice(0, 0), *rest)]
        stacked = _stacked(rows, self._dtype)
        return stacked if self._scale == 1 else stacked * self._scale


class WindowedRows:
    """Stretches of other rows, all of one length, as rows of their own.

    Args:
        rows: ``(N, ...)``.
        owners: ``(R,)``, which row each stretch is from.
        begins: ``(R,)``, where along ``dim`` it begins.
        length: Its length along ``dim``.
        dim: The dimension, counted in the whole column; 1 or more, or -1.

    Raises:
        ValueError: If a stretch reaches outside its row.
    """

    def __init__(self, rows: TensorRows, owners: Tensor, begins: Tensor, *, length: int, dim: int) -> None:
        whole = rows.shape[dim]
        if len(begins) and not (int(begins.min()) >= 0 and int(begins.max()) + length <= whole):
            raise ValueError(
                f"stretches of {length} must lie in rows of {whole}, got begins up to {begins.max()}"
            )
        self._rows, self._owners, self._begins, self._length = rows, owners, begins, length
        self._dim = dim % len(rows.shape)

    @property
    def shape(self) -> torch.Size:
        """``(R, ...)``."""
        sizes = [len(self._owners), *self._rows.shape[1:]]
        sizes[self._dim] = self._length
        return torch.Size(sizes)

    def __len__(self) -> int:
        return len(self._owners)

    def __getitem__(self, index: Any) -> Tensor:
        """Copy stretches out; ``index`` as for :class:`Column`."""
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, int):
            return self._one(first, rest)
        is_slice = isinstance(first, slice)
        numbers = torch.arange(len(self))[first] if is_slice else torch.as_tensor(first).cpu()
        if not numbers.numel():
            return self._rows[(slice(0, 0), *self._cut(0))]
        # rows that are decoded when they are asked for are decoded side by side
        each = getattr(self._rows, "map", map)
        rows = list(each(lambda number: self._one(number, rest), numbers.flatten().tolist()))
        stacked = _stacked(rows, rows[0].dtype)
        return stacked.reshape(*numbers.shape, *stacked.shape[1:])

    def _one(self, number: int, rest: Sequence[Any]) -> Tensor:
        row = self._rows[(int(self._owners[number]), *self._cut(int(self._begins[number])))]
        return row[tuple(rest)] if rest else row

    def _cut(self, begin: int) -> tuple[slice, ...]:
        return (*(slice(None),) * (self._dim - 1), slice(begin, begin + self._length))


def _stacked(rows: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """``torch.stack``, which autocast on the CPU forbids for halves."""
    stacked = torch.empty((len(rows), *rows[0].shape), dtype=dtype)
    for target, row in zip(stacked, rows, strict=True):
        target.copy_(row)
    return stacked
