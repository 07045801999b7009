"""Progress bars on a terminal, and nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Bar", "progress_bar"]


class Bar(Protocol):
    """Shows how far a run over several films is."""

    def film(self, number: int, name: str) -> Callable[[int, int], None]:
        """Begin the film with this number, counted from 0; call the result with finished and total steps."""


@contextmanager
def progress_bar(num_films: int, *, is_wanted: bool) -> Iterator[Bar]:
    """Draw bars with the time left on stderr while the block runs, if stderr is a terminal.

    Args:
        num_films: Films in the run.
        is_wanted: Whether to draw at all.
    """
    if not is_wanted or not sys.stderr.isatty():
        yield _Silence()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # stdout stays what it is: results may be piped from there while the bar is on the terminal
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        overall = progress.add_task(f"{num_films} films", total=num_films, visible=num_films > 1)
        current = progress.add_task("loading the model", total=None)

        class _Terminal:
            def film(self, number: int, name: str) -> Callable[[int, int], None]:
                progress.reset(current, description=name, total=None)
                progress.update(overall, completed=number)

                def step(done: int, total: int) -> None:
                    progress.update(current, completed=done, total=total)
                    progress.update(overall, completed=number + done / total)

                return step

        yield _Terminal()


class _Silence:
    def film(self, number: int, name: str) -> Callable[[int, int], None]:
        return lambda done, total: None
