"""Studio sessions by desk: a browser keeps its desk's secret name, so work survives a reload."""

import secrets
import threading
import time
from pathlib import Path

from cinefoley.studio.session import StudioSession

__all__ = ["StudioSessions"]


class StudioSessions:
    """Creates a session for each desk, and closes sessions that are not used any more.

    Args:
        folder: Folder for the sessions' files.
        longest_s: Longest video to accept, in seconds.
        most_idle_s: Seconds without use after which a session is closed.
    """

    def __init__(self, folder: Path, *, longest_s: float, most_idle_s: float = 6 * 3600.0) -> None:
        self._folder = folder
        self._longest_s = longest_s
        self._most_idle_s = most_idle_s
        self._lock = threading.Lock()
        self._sessions: dict[str, StudioSession] = {}

    def enter(self, desk: str | None) -> tuple[str, StudioSession]:
        """The session of a desk; a new desk with a secret name if there is no such session."""
        with self._lock:
            is_known = desk in self._sessions
        name = desk if desk is not None and is_known else secrets.token_urlsafe(18)
        return name, self.of(name)

    def of(self, desk: str) -> StudioSession:
        """The session of a desk; created on first use."""
        now = time.monotonic()
        with self._lock:
            for key, session in [*self._sessions.items()]:
                if key != desk and now - session.used_at > self._most_idle_s:
                    self._sessions.pop(key).close()
            if desk not in self._sessions:
                self._sessions[desk] = StudioSession(self._folder, longest_s=self._longest_s)
            session = self._sessions[desk]
            session.used_at = now
            return session

    def close_all(self) -> None:
        """Close all sessions when the studio stops; runs are stopped at their next step."""
        with self._lock:
            sessions, self._sessions = [*self._sessions.values()], {}
        for session in sessions:
            session.close()

    def close(self, desk: str) -> None:
        """Close the session of a desk: stop its run and delete its files."""
        with self._lock:
            session = self._sessions.pop(desk, None)
        if session is not None:
            session.close()
