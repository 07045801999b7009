"""Vote store: participants, trials and votes in one SQLite file."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cinefoley.errors import StudyError
from cinefoley.study.plan import PlannedTrial

__all__ = ["Choice", "Participant", "Trial", "VoteStore"]

Choice = Literal["left", "right"]
"""Video A (left) or video B (right)."""

# A trial has at most one row in votes: the primary key makes a second vote impossible.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS study (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS consents (sha256 TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS participants (
    id INTEGER PRIMARY KEY,
    number INTEGER UNIQUE,
    token TEXT NOT NULL UNIQUE,
    nonce TEXT NOT NULL UNIQUE,
    consent TEXT NOT NULL REFERENCES consents (sha256),
    began_at REAL NOT NULL,
    beeps INTEGER NOT NULL,
    wrong_beeps INTEGER NOT NULL DEFAULT 0,
    heard_at REAL,
    withdrew_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS trials (
    id INTEGER PRIMARY KEY,
    participant INTEGER NOT NULL REFERENCES participants (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    token TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('pair', 'attention')),
    clip TEXT NOT NULL,
    "left" TEXT NOT NULL,
    "right" TEXT NOT NULL,
    opened_at REAL,
    left_played_at REAL,
    right_played_at REAL,
    UNIQUE (participant, place)
) STRICT;
CREATE TABLE IF NOT EXISTS votes (
    trial INTEGER PRIMARY KEY REFERENCES trials (id) ON DELETE CASCADE,
    choice TEXT NOT NULL CHECK (choice IN ('left', 'right')),
    reasons TEXT NOT NULL,
    comment TEXT NOT NULL,
    voted_at REAL NOT NULL
) STRICT;
"""
_TABLES = {"study", "consents", "participants", "trials", "votes"}
_TRIALS = """
SELECT trials.*, votes.choice, votes.reasons, votes.comment, votes.voted_at
FROM trials LEFT JOIN votes ON votes.trial = trials.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """A participant, who has agreed to the consent text."""

    id: int
    """Row id."""
    number: int | None
    """Number of the participant's plan, from 0; None after withdrawal."""
    token: str
    """Secret of the participant's link."""
    nonce: str
    """Random text of the page on which they agreed."""
    consent: str
    """SHA-256 of the consent text."""
    began_at: float
    """Time of the consent, in seconds since 1970."""
    beeps: int
    """Number of beeps in the sound check."""
    wrong_beeps: int
    """Number of wrong answers in the sound check."""
    heard_at: float | None
    """Time at which they passed the sound check."""
    withdrew_at: float | None
    """Time at which they withdrew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A trial of a participant, with its vote if there is one."""

    id: int
    """Row id."""
    participant: int
    """Row id of the participant."""
    place: int
    """Position among the participant's trials, from 0."""
    token: str
    """Secret of the trial."""
    kind: Literal["pair", "attention"]
    """Comparison of two methods, or attention check."""
    clip: str
    """File name."""
    left: str
    """Method of video A."""
    right: str
    """Method of video B."""
    opened_at: float | None
    """Time at which it became the current trial."""
    left_played_at: float | None
    """Time at which video A had been played to the end."""
    right_played_at: float | None
    """Time at which video B had been played to the end."""
    choice: Choice | None
    """The vote."""
    reasons: tuple[str, ...]
    """Reasons given with the vote."""
    comment: str
    """Comment given with the vote."""
    voted_at: float | None
    """Time at which the vote was stored."""


class VoteStore:
    """An SQLite file, shared by the threads of a server; other processes may read and write it too.

    It uses a write-ahead log with full synchronisation: a statement that has returned outside of
    :meth:`transaction`, or a finished transaction, survives a crash of the program and of the machine.

    Args:
        path: The file; only its owner can read it.
        creates: Whether to create a missing file.

    Raises:
        StudyError: If the file is missing, is not a vote store, or cannot be written.
    """

    def __init__(self, path: Path, *, creates: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        if not creates and not path.is_file():
            raise StudyError(f"{path}: no votes here. Collect some with `cinefoley study serve STUDY.toml`.")
        with self._translated():
            path.touch(mode=0o600)
            self._db = _connect(path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write everything in the block, or nothing; other writers wait. Blocks may be nested."""
        with self._lock, self._translated():
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._db.execute("COMMIT")
            except BaseException:
                if self._depth == 1 and self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def bind(self, identity: Mapping[str, str]) -> None:
        """Bind the file to a study: its videos, methods and plan.

        Raises:
            StudyError: If it is bound to another study; names the first difference.
        """
        with self.transaction():
            known = {row["key"]: row["value"] for row in self._all("SELECT key, value FROM study")}
            for key in sorted(known.keys() | identity.keys()) if known else ():
                if known.get(key) != identity.get(key):
                    raise StudyError(
                        f"{self.path}: contains votes of another study: {key} was "
                        f"{known.get(key, 'absent')!r}, now {identity.get(key, 'absent')!r}. Restore it, "
                        "or use another file with --votes."
                    )
            if not known:
                for key, value in identity.items():
                    self._run("INSERT INTO study VALUES (?, ?)", key, value)

    def identity(self) -> dict[str, str]:
        """The study that :meth:`bind` stored."""
        return {row["key"]: row["value"] for row in self._all("SELECT key, value FROM study")}

    def add_participant(
        self,
        *,
        token: str,
        nonce: str,
        consent: str,
        consent_text: str,
        beeps: int,
        now: float,
        plan: Callable[[int], Sequence[tuple[str, PlannedTrial]]],
    ) -> Participant:
        """Store a participant under the lowest free number, with the trials that are planned for it.

        Args:
            token: Secret of the participant's link.
            nonce: Random text of the page on which they agreed; unique.
            consent: SHA-256 of ``consent_text``.
            consent_text: Text that they agreed to.
            beeps: Number of beeps in their sound check.
            now: Seconds since 1970.
            plan: Returns the trials of a number, with a secret for each.
        """
        with self.transaction():
            taken = [row["number"] for row in self._all("SELECT number FROM participants ORDER BY number")]
            used = [number for number in taken if number is not None]
            number = next((place for place, other in enumerate(used) if place != other), len(used))
            self._run("INSERT OR IGNORE INTO consents VALUES (?, ?)", consent, consent_text)
            self._run(
                "INSERT INTO participants (number, token, nonce, consent, began_at, beeps)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                *(number, token, nonce, consent, now, beeps),
            )
            participant = self.find_participant(token=token)
            assert participant is not None
            for place, (secret, trial) in enumerate(plan(number)):
                self._run(
                    'INSERT INTO trials (participant, place, token, kind, clip, "left", "right")'
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    *(participant.id, place, secret, trial.kind, trial.clip, trial.left, trial.right),
                )
            return participant

    def find_participant(self, *, token: str = "", nonce: str = "") -> Participant | None:
        """Find a participant by the secret of the link, or by the page on which they agreed."""
        rows = self._all("SELECT * FROM participants WHERE token = ? OR nonce = ?", token, nonce)
        return Participant(**dict(rows[0])) if rows else None

    def list_participants(self) -> list[Participant]:
        """All participants, in order of arrival."""
        return [Participant(**dict(row)) for row in self._all("SELECT * FROM participants ORDER BY id")]

    def list_trials(self, participant: int | None = None) -> list[Trial]:
        """Trials in order, with votes, of one participant or of all."""
        if participant is None:
            rows = self._all(_TRIALS + "ORDER BY participant, place")
        else:
            rows = self._all(_TRIALS + "WHERE participant = ? ORDER BY place", participant)
        return [_trial(row) for row in rows]

    def find_trial(self, token: str) -> Trial | None:
        """Find a trial by its secret."""
        rows = self._all(_TRIALS + "WHERE token = ?", token)
        return _trial(rows[0]) if rows else None

    def set_beeps(self, participant: int, beeps: int) -> None:
        """Set a new number of beeps after a wrong answer."""
        self._run(
            "UPDATE participants SET beeps = ?, wrong_beeps = wrong_beeps + 1 WHERE id = ?",
            beeps,
            participant,
        )

    def set_heard(self, participant: int, now: float) -> None:
        """Record that the sound check was passed."""
        self._run("UPDATE participants SET heard_at = ? WHERE id = ?", now, participant)

    def open_next_trial(self, participant: int, now: float) -> None:
        """Make the first trial without a vote the current one."""
        self._run(
            "UPDATE trials SET opened_at = coalesce(opened_at, ?) WHERE id = (SELECT id FROM trials WHERE "
            "participant = ? AND id NOT IN (SELECT trial FROM votes) ORDER BY place LIMIT 1)",
            *(now, participant),
        )

    def set_played(self, trial: int, side: Choice, now: float) -> None:
        """Record that a video was played to the end; the first time counts."""
        column = {"left": "left_played_at", "right": "right_played_at"}[side]
        self._run(f"UPDATE trials SET {column} = coalesce({column}, ?) WHERE id = ?", now, trial)

    def add_vote(self, trial: int, choice: Choice, reasons: Sequence[str], comment: str, now: float) -> None:
        """Store a vote.

        Raises:
            StudyError: If the trial already has a vote.
        """
        texts = json.dumps(list(reasons), ensure_ascii=False)
        self._run("INSERT INTO votes VALUES (?, ?, ?, ?, ?)", trial, choice, texts, comment, now)

    def withdraw(self, participant: int, now: float) -> None:
        """Delete a participant's trials and votes; the next participant gets their plan."""
        with self.transaction():
            self._run("DELETE FROM trials WHERE participant = ?", participant)
            self._run("UPDATE participants SET number = NULL, withdrew_at = ? WHERE id = ?", now, participant)

    def empty_log(self) -> None:
        """Empty the write-ahead log, which still contains deleted votes.

        Call it outside of transactions. If another process is reading, a later call empties the log.
        """
        self._all("PRAGMA wal_checkpoint(TRUNCATE)")

    def _all(self, statement: str, *values: object) -> list[sqlite3.Row]:
        with self._lock, self._translated():
            return self._db.execute(statement, values).fetchall()

    def _run(self, statement: str, *values: object) -> None:
        with self._lock, self._translated():
            self._db.execute(statement, values)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise StudyError(f"{self.path}: {exc}. Expected a vote store in a writable folder.") from exc
        except OSError as exc:
            raise StudyError(
                f"{self.path}: cannot be written ({exc.strerror}). Choose another with --votes."
            ) from exc


def _connect(path: Path) -> sqlite3.Connection:
    # threads share the connection under our lock; Python's own transactions do not begin as writers
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
    try:
        db.row_factory = sqlite3.Row
        is_new = _is_new(path, db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")  # overwrites the votes of participants who withdraw
        if is_new:  # in one transaction, so that no other process sees a partial schema
            db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
    except (sqlite3.Error, StudyError):
        db.close()
        raise
    return db


def _is_new(path: Path, db: sqlite3.Connection) -> bool:
    """Whether a database has no tables yet; another program's database is rejected unchanged."""
    tables = {row["name"] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and not tables >= _TABLES:
        raise StudyError(f"{path}: is a database, but not a vote store. Use another file.")
    return not tables


def _trial(row: sqlite3.Row) -> Trial:
    values: dict[str, Any] = dict(row)
    values["reasons"] = tuple(json.loads(values["reasons"] or "[]"))
    values["comment"] = values["comment"] or ""
    return Trial(**values)
