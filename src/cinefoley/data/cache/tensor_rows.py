"""Tensor rows: many rows stored in several tensors or files, read as if they were one tensor."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

__all__ = ["ChunkedRows", "ComputedRows", "TensorRows", "WindowedRows"]

ItemT = TypeVar("ItemT")


class TensorRows(Protocol):
    """What a training task needs of a tensor ``(N, ...)``: its shape, and rows of it. Every tensor fits."""

    @property
    def shape(self) -> Sequence[int]:
        """Sizes, the number of rows first."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Tensor:
        """One row, a slice, or the rows that a tensor of numbers names; further indices apply to each row."""
        ...


class ComputedRows:
    """Rows that are read or computed one by one; subclasses define :meth:`row`.

    Args:
        shape: ``(N, ...)``.
        dtype: Of the rows.
    """

    def __init__(self, shape: Sequence[int], dtype: torch.dtype) -> None:
        self.shape = torch.Size(shape)
        """``(N, ...)``."""
        self.dtype = dtype
        """Of the rows that are returned."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Tensor:
        """Copy rows out.

        Args:
            index: A number, a slice, a tensor of numbers of any shape, or a tuple that begins with one of
                these and goes on as for the row.

        Raises:
            IndexError: If there is no such row.
        """
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, int):
            return self._checked(first, rest)
        numbers = torch.arange(len(self))[first] if isinstance(first, slice) else torch.as_tensor(first).cpu()
        if numbers.dtype == torch.bool:
            numbers = numbers.nonzero()[:, 0]
        if not numbers.numel():
            empty = torch.empty((1, *self.shape[1:]), dtype=self.dtype)
            return empty[(slice(0, 0), *rest)]
        rows = list(self.map(lambda number: self._checked(number, rest), numbers.flatten().tolist()))
        stacked = torch.empty((len(rows), *rows[0].shape), dtype=self.dtype)
        for target, row in zip(
            stacked, rows, strict=True
        ):  # on the CPU autocast forbids torch.stack for halves
            target.copy_(row)
        return stacked.reshape(*numbers.shape, *stacked.shape[1:])

    def map(self, work: Callable[[ItemT], Tensor], items: Iterable[ItemT]) -> Iterator[Tensor]:
        """As the built-in; subclasses may use threads."""
        return map(work, items)

    def row(self, number: int, rest: Sequence[Any]) -> Tensor:
        """Row ``number`` in [0, N), indexed by ``rest``, in memory of its own."""
        raise NotImplementedError

    def _checked(self, number: int, rest: Sequence[Any]) -> Tensor:
        count = len(self)
        if not -count <= number < count:
            raise IndexError(f"rows are 0 to {count - 1}, asked for {number}")
        return self.row(number % count, rest)


class ChunkedRows(ComputedRows):
    """Rows stored in several tensors, usually mapped from files.

    Only what is asked for is read, into memory of its own; the operating system caches or drops the files'
    pages, so the memory of a run does not grow with the number of rows.

    Args:
        chunks: Tensors ``(n_i, ...)`` that differ in their first size only; at least one.
        dtype: What rows are converted to; None leaves the files' dtype.
        scale: What rows are multiplied by.

    Raises:
        ValueError: If there is no chunk, or shapes or dtypes differ.
    """

    def __init__(self, chunks: Sequence[Tensor], *, dtype: torch.dtype | None = None, scale: float = 1.0):
        if not chunks:
            raise ValueError("rows need one chunk at least")
        if len({(chunk.shape[1:], chunk.dtype) for chunk in chunks}) > 1:
            raise ValueError("chunks must have rows of one shape and one dtype")
        self._chunks, self._scale = list(chunks), scale
        self._ends = list(accumulate(len(chunk) for chunk in chunks))
        super().__init__((self._ends[-1], *chunks[0].shape[1:]), dtype or chunks[0].dtype)

    def scaled(self, factor: float) -> "ChunkedRows":
        """The same rows, multiplied when they are read."""
        return ChunkedRows(self._chunks, dtype=self.dtype, scale=self._scale * factor)

    def row(self, number: int, rest: Sequence[Any]) -> Tensor:
        """Copied out of its chunk, converted and multiplied."""
        owner = bisect_right(self._ends, number)
        chunk = self._chunks[owner]
        row = chunk[(number - self._ends[owner] + len(chunk), *rest)].to(self.dtype, copy=True)
        return row if self._scale == 1 else row * self._scale


class WindowedRows(ComputedRows):
    """Sections of other rows, all of one length, as rows of their own.

    Args:
        rows: ``(N, ...)``.
        owners: ``(R,)``, the row that each section is from.
        begins: ``(R,)``, where along ``dim`` it begins.
        length: Its length along ``dim``.
        dim: The dimension, counted in the whole tensor; 1 or more, or -1.

    Raises:
        ValueError: If a section reaches outside its row.
    """

    def __init__(self, rows: TensorRows, owners: Tensor, begins: Tensor, *, length: int, dim: int) -> None:
        whole = rows.shape[dim]
        if len(begins) and not (int(begins.min()) >= 0 and int(begins.max()) + length <= whole):
            raise ValueError(
                f"sections of {length} must lie in rows of {whole}, got begins up to {begins.max()}"
            )
        self._rows, self._owners, self._begins, self._length = rows, owners, begins, length
        self._dim = dim % len(rows.shape)
        shape = [len(owners), *rows.shape[1:]]
        shape[self._dim] = length
        super().__init__(shape, rows[(slice(0, 0),)].dtype)

    def map(self, work: Callable[[ItemT], Tensor], items: Iterable[ItemT]) -> Iterator[Tensor]:
        """As the rows that sections are cut from: those that are decoded on demand use threads."""
        each: Callable[..., Iterator[Tensor]] = getattr(self._rows, "map", map)
        return each(work, items)

    def row(self, number: int, rest: Sequence[Any]) -> Tensor:
        """Cut out of its owner."""
        begin = int(self._begins[number])
        cut = (*(slice(None),) * (self._dim - 1), slice(begin, begin + self._length))
        row = self._rows[(int(self._owners[number]), *cut)]
        return row[tuple(rest)] if rest else row
