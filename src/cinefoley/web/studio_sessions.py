"""Studio sessions by browser page."""

import threading
import time
from pathlib import Path

from cinefoley.studio.session import StudioSession

__all__ = ["StudioSessions"]


class StudioSessions:
    """Creates a session for each page, and closes sessions that are not used any more.

    Args:
        folder: Folder for the sessions' files.
        longest_s: Longest video to accept, in seconds.
        most_idle_s: Seconds without use after which a session is closed, if its page did not close it.
    """

    def __init__(self, folder: Path, *, longest_s: float, most_idle_s: float = 6 * 3600.0) -> None:
        self._folder = folder
        self._longest_s = longest_s
        self._most_idle_s = most_idle_s
        self._lock = threading.Lock()
        self._sessions: dict[str, StudioSession] = {}

    def of(self, page_id: str) -> StudioSession:
        """The session of a page; created on first use."""
        now = time.monotonic()
        with self._lock:
            for key, session in [*self._sessions.items()]:
                if key != page_id and now - session.used_at > self._most_idle_s:
                    self._sessions.pop(key).close()
            if page_id not in self._sessions:
                self._sessions[page_id] = StudioSession(self._folder, longest_s=self._longest_s)
            session = self._sessions[page_id]
            session.used_at = now
            return session

    def close_all(self) -> None:
        """Close all sessions when the studio stops; runs are stopped at their next step."""
        with self._lock:
            sessions, self._sessions = [*self._sessions.values()], {}
        for session in sessions:
            session.close()

    def close(self, page_id: str) -> None:
        """Close the session of a page: stop its run and delete its files."""
        with self._lock:
            session = self._sessions.pop(page_id, None)
        if session is not None:
            session.close()
