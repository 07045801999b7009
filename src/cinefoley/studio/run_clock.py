"""Run clock of the studio: the remaining time of a run, and its end on request."""

import threading
import time
from collections.abc import Callable

from cinefoley.errors import RunInterrupted

__all__ = ["STOPPED", "Progress", "RunClock"]

STOPPED = "Stopped. The takes of this run were discarded."
"""Message after a run was stopped."""

Progress = Callable[[int, int, float | None], None]
"""Called with finished steps, all steps, and the remaining seconds, or None where they are unknown."""


class RunClock:
    """Reports the remaining time of a run, and stops it on request."""

    def __init__(self, on_progress: Progress, stop: threading.Event) -> None:
        self._on_progress = on_progress
        self._stop = stop
        self._began: float | None = None

    def check(self) -> None:
        """Go on, or not.

        Raises:
            RunInterrupted: If the run is to stop.
        """
        if self._stop.is_set():
            raise RunInterrupted(STOPPED)

    def part(self, number: int, parts: int) -> Callable[[int, int], None]:
        """Progress of one of several parts, as progress of all."""
        return lambda done, total: self(number * total + done, parts * total)

    def __call__(self, done: int, total: int) -> None:
        """Report finished and total steps."""
        self.check()
        now = time.monotonic()
        if self._began is None:  # the first step includes loading and encoding
            self._began = now
            self._on_progress(done, total, None)
            return
        self._on_progress(done, total, (now - self._began) / (done - 1) * (total - done))
