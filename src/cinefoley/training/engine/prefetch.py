"""Prefetching: a thread loads the next item while the current one is used."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["Prefetch"]

ItemT = TypeVar("ItemT")


class Prefetch(Generic[ItemT]):
    """Loads items by number, one ahead, in one thread.

    Args:
        load: Loads the item of a number; one call at a time, from the thread.

    Examples:
        >>> ahead = Prefetch(lambda number: number**2)
        >>> [ahead.get(number, last=2) for number in range(3)]
        [0, 1, 4]
        >>> ahead.close()
    """

    def __init__(self, load: Callable[[int], ItemT]) -> None:
        self._load = load
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._next: tuple[int, Future[ItemT]] | None = None

    def get(self, number: int, *, last: int) -> ItemT:
        """Return an item, and start to load the next one unless this is the last.

        Raises:
            Exception: What ``load`` raised for this item.
        """
        item = self._take(number)
        if number < last:
            self._next = number + 1, self._pool.submit(self._load, number + 1)
        return item

    def close(self) -> None:
        """Wait for the item that is being loaded, and end the thread."""
        self._pool.shutdown(cancel_futures=True)

    def _take(self, number: int) -> ItemT:
        if self._next is not None and self._next[0] == number:
            return self._next[1].result()
        return self._load(number)
