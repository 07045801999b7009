"""Context manager of several resources, which are closed together, also if opening one of them fails."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from types import TracebackType
from typing import Self

__all__ = ["OpenedTogether"]


class OpenedTogether(ABC):
    """Base of readers and writers: :meth:`_open` enters on a stack what the end of the block closes."""

    @abstractmethod
    def _open(self, opening: ExitStack) -> None:
        """Enter every resource on the stack."""

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self._open(opening)
            self._resources = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.__exit__(kind, exc, trace)
