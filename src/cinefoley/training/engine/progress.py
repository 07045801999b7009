"""Progress bar of a training, with the remaining time, on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["training_progress"]


@contextmanager
def training_progress(name: str, steps: int, *, is_wanted: bool) -> Iterator[Callable[[int], None]]:
    """Draw a progress bar on stderr while the block runs, if stderr is a terminal.

    Args:
        name: Name of the stage.
        steps: Steps of the whole run.
        is_wanted: Whether to draw at all.

    Yields:
        A function to call with the number of finished steps.
    """
    if not is_wanted or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # if the log goes to the same terminal, its lines are printed above the bar
    is_shared = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=is_shared) as progress:
        bar = progress.add_task(name, total=steps)
        yield lambda done: progress.update(bar, completed=done)
