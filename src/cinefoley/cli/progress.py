"""Progress bars on stderr, drawn only on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

__all__ = ["Preparation", "Start", "Step", "progress_bar", "step_bar"]

Step = Callable[[int, int], None]
"""Called with the number of finished steps and of all steps."""

Start = Callable[[int, str], Step]
"""Called with the number of a video, counted from 0, and its name; returns what its steps are reported to."""


@contextmanager
def progress_bar(num_videos: int, *, is_wanted: bool) -> Iterator[Start]:
    """Draw a bar for all videos and one for the current video, with the remaining time.

    Args:
        num_videos: Number of videos.
        is_wanted: Whether to draw at all.
    """
    with _terminal_progress(is_wanted=is_wanted) as progress:
        if progress is None:
            yield lambda number, name: lambda done, total: None
            return
        bars = progress
        overall = progress.add_task(f"{num_videos} videos", total=num_videos, visible=num_videos > 1)
        current = progress.add_task("loading the model", total=None)

        def start(number: int, name: str) -> Step:
            bars.reset(current, description=name, total=None)
            bars.update(overall, completed=number)

            def step(done: int, total: int) -> None:
                bars.update(current, completed=done, total=total)
                bars.update(overall, completed=number + done / total)

            return step

        yield start


@contextmanager
def step_bar(name: str, *, is_wanted: bool = True, counts_bytes: bool = False) -> Iterator[Step]:
    """Draw one bar, from its first step on.

    Args:
        name: Text in front of the bar.
        is_wanted: Whether to draw at all.
        counts_bytes: Whether steps are bytes.
    """
    with _terminal_progress(is_wanted=is_wanted, counts_bytes=counts_bytes, starts=False) as progress:
        if progress is None:
            yield lambda done, total: None
            return
        task = progress.add_task(name, total=None)

        def step(done: int, total: int) -> None:
            progress.start()
            progress.update(task, completed=done, total=total)

        yield step


class Preparation:
    """A bar for each part of a preparation, one after the other."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._drawn = ExitStack()
        self._what = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drawn.close()

    def show(self, what: str, done: int, total: int) -> None:
        """Show progress of a part; the bar disappears when the part is finished."""
        if what != self._what:
            self._drawn.close()
            self._what = what
            self._step = self._drawn.enter_context(step_bar(what, is_wanted=self._is_wanted))
        self._step(done, total)
        if done == total:
            self._drawn.close()


@contextmanager
def _terminal_progress(
    *, is_wanted: bool, counts_bytes: bool = False, starts: bool = True
) -> "Iterator[Progress | None]":
    """Rich's progress display; None where none is to be drawn."""
    if not is_wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    amount: ProgressColumn = DownloadColumn() if counts_bytes else TaskProgressColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    # stdout is not redirected: results may be piped from it while the bar is on the terminal
    progress = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    if starts:
        progress.start()
    try:
        yield progress
    finally:
        progress.stop()
