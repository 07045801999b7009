"""Every user's desk, by the session of their page."""

import threading
import time
from pathlib import Path

from cinefoley.studio.desk import Desk

__all__ = ["Desks"]


class Desks:
    """Makes desks when they are first asked for, and clears away those that nobody uses.

    Args:
        folder: Where desks keep their files.
        longest_s: Longest film that a desk takes.
        most_idle_s: After so long without use a desk is cleared away, should its page not have said goodbye.
    """

    def __init__(self, folder: Path, *, longest_s: float, most_idle_s: float = 6 * 3600.0) -> None:
        self._folder = folder
        self._longest_s = longest_s
        self._most_idle_s = most_idle_s
        self._lock = threading.Lock()
        self._desks: dict[str, Desk] = {}

    def of(self, session: str) -> Desk:
        """The desk of a session."""
        now = time.monotonic()
        with self._lock:
            for key, desk in [*self._desks.items()]:
                if key != session and now - desk.used_at > self._most_idle_s:
                    self._desks.pop(key).close()
            if session not in self._desks:
                self._desks[session] = Desk(self._folder, longest_s=self._longest_s)
            desk = self._desks[session]
            desk.used_at = now
            return desk

    def close_all(self) -> None:
        """The studio ends: whatever runs is stopped at its next step."""
        with self._lock:
            desks, self._desks = [*self._desks.values()], {}
        for desk in desks:
            desk.close()

    def close(self, session: str) -> None:
        """A session is over: whatever it runs is stopped, its files are removed."""
        with self._lock:
            desk = self._desks.pop(session, None)
        if desk is not None:
            desk.close()
