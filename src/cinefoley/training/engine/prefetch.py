"""Loading what comes next while something else is computed."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["Prefetch"]

ItemT = TypeVar("ItemT")


class Prefetch(Generic[ItemT]):
    """One thread that is always one place ahead.

    Args:
        load: Makes the item of a place; called by the thread, one call at a time.

    Examples:
        >>> ahead = Prefetch(lambda place: place**2)
        >>> [ahead.get(place, last=2) for place in range(3)]
        [0, 1, 4]
        >>> ahead.close()
    """

    def __init__(self, load: Callable[[int], ItemT]) -> None:
        self._load = load
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._next: tuple[int, Future[ItemT]] | None = None

    def get(self, place: int, *, last: int) -> ItemT:
        """The item of a place; the next one is begun unless this is the last.

        Raises:
            Exception: What ``load`` raised for this place.
        """
        item = self._take(place)
        if place < last:
            self._next = place + 1, self._pool.submit(self._load, place + 1)
        return item

    def close(self) -> None:
        """Wait for what was begun, and let the thread end."""
        self._pool.shutdown(cancel_futures=True)

    def _take(self, place: int) -> ItemT:
        if self._next is not None and self._next[0] == place:
            return self._next[1].result()
        return self._load(place)
