"""Participants, trials and votes in one SQLite file; what was acknowledged is on the disk."""

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
"""Film A, on the left, or film B."""

# A trial has one row of votes or none: its primary key is what makes a second vote impossible.
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
    """One who agreed to take part."""

    id: int
    """Row."""
    number: int | None
    """Which plan is theirs, from 0; None after withdrawal."""
    token: str
    """The secret in their link."""
    nonce: str
    """Of the page on which they agreed."""
    consent: str
    """SHA-256 of the text they agreed to."""
    began_at: float
    """Seconds since 1970."""
    beeps: int
    """How many beeps the sound check plays."""
    wrong_beeps: int
    """How often they counted wrong."""
    heard_at: float | None
    """When they passed the sound check."""
    withdrew_at: float | None
    """When they asked for their votes to be deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One comparison of one participant, with its vote if there is one."""

    id: int
    """Row."""
    participant: int
    """Row of the participant."""
    place: int
    """Which of the participant's trials, from 0."""
    token: str
    """The secret without which nobody can vote on it."""
    kind: Literal["pair", "attention"]
    """As planned."""
    clip: str
    """File name."""
    left: str
    """Method of film A."""
    right: str
    """Method of film B."""
    opened_at: float | None
    """When its turn came."""
    left_played_at: float | None
    """When film A had been played to its end."""
    right_played_at: float | None
    """When film B had been played to its end."""
    choice: Choice | None
    """The vote."""
    reasons: tuple[str, ...]
    """Given with the vote."""
    comment: str
    """Left with the vote."""
    voted_at: float | None
    """When the vote was stored."""


class VoteStore:
    """One SQLite file, shared by the threads of a server; other processes may read and write it too.

    It is a log with write-ahead and full synchronisation: a statement that has returned outside of
    :meth:`transaction`, or a transaction that has ended, survives a crash of the program and of the machine.

    Args:
        path: The file; made if it is missing and ``creates`` is set, readable for its owner alone.
        creates: Whether a missing file is made.

    Raises:
        StudyError: If the file is missing, is not one of ours, or its folder cannot be written to.
    """

    def __init__(self, path: Path, *, creates: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        if not creates and not path.is_file():
            raise StudyError(f"{path}: no votes here. Start with `cinefoley study serve STUDY.toml`.")
        with self._translated():
            path.touch(mode=0o600)
            self._db = _connect(path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that the block writes is kept, or nothing; other writers wait. Blocks may be nested."""
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
        """Tie the file to a study: its films, methods and plan.

        Raises:
            StudyError: If it is tied to another one already; names the first difference.
        """
        with self.transaction():
            known = {row["key"]: row["value"] for row in self._all("SELECT key, value FROM study")}
            for key in sorted(known.keys() | identity.keys()) if known else ():
                if known.get(key) != identity.get(key):
                    raise StudyError(
                        f"{self.path}: holds votes of another study: {key} was {known.get(key, 'absent')!r}, "
                        f"now {identity.get(key, 'absent')!r}. Put it back, or start anew with --votes FILE."
                    )
            if not known:
                for key, value in identity.items():
                    self._run("INSERT INTO study VALUES (?, ?)", key, value)

    def identity(self) -> dict[str, str]:
        """What :meth:`bind` stored."""
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
        """Store a participant under the lowest number that nobody has, and the trials planned for it.

        Args:
            token: The secret of their link.
            nonce: Of the page on which they agreed; unique.
            consent: SHA-256 of ``consent_text``.
            consent_text: What they agreed to.
            beeps: How many beeps their sound check has.
            now: Seconds since 1970.
            plan: Called with the number, gives the trials with a secret for each.
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
        """By the secret of their link, or by the page on which they agreed."""
        rows = self._all("SELECT * FROM participants WHERE token = ? OR nonce = ?", token, nonce)
        return Participant(**dict(rows[0])) if rows else None

    def list_participants(self) -> list[Participant]:
        """All of them, in the order of arrival."""
        return [Participant(**dict(row)) for row in self._all("SELECT * FROM participants ORDER BY id")]

    def list_trials(self, participant: int | None = None) -> list[Trial]:
        """Trials in their order, with votes: of one participant, or of all."""
        if participant is None:
            rows = self._all(_TRIALS + "ORDER BY participant, place")
        else:
            rows = self._all(_TRIALS + "WHERE participant = ? ORDER BY place", participant)
        return [_trial(row) for row in rows]

    def find_trial(self, token: str) -> Trial | None:
        """By its secret."""
        rows = self._all(_TRIALS + "WHERE token = ?", token)
        return _trial(rows[0]) if rows else None

    def set_beeps(self, participant: int, beeps: int) -> None:
        """After a wrong count: another number of beeps."""
        self._run(
            "UPDATE participants SET beeps = ?, wrong_beeps = wrong_beeps + 1 WHERE id = ?",
            beeps,
            participant,
        )

    def set_heard(self, participant: int, now: float) -> None:
        """The sound check is passed."""
        self._run("UPDATE participants SET heard_at = ? WHERE id = ?", now, participant)

    def open_next_trial(self, participant: int, now: float) -> None:
        """The turn of the first trial without a vote has come."""
        self._run(
            "UPDATE trials SET opened_at = coalesce(opened_at, ?) WHERE id = (SELECT id FROM trials WHERE "
            "participant = ? AND id NOT IN (SELECT trial FROM votes) ORDER BY place LIMIT 1)",
            *(now, participant),
        )

    def set_played(self, trial: int, side: Choice, now: float) -> None:
        """A film was played to its end; the first time counts."""
        column = {"left": "left_played_at", "right": "right_played_at"}[side]
        self._run(f"UPDATE trials SET {column} = coalesce({column}, ?) WHERE id = ?", now, trial)

    def add_vote(self, trial: int, choice: Choice, reasons: Sequence[str], comment: str, now: float) -> None:
        """Store a vote.

        Raises:
            StudyError: If the trial has one already.
        """
        texts = json.dumps(list(reasons), ensure_ascii=False)
        self._run("INSERT INTO votes VALUES (?, ?, ?, ?, ?)", trial, choice, texts, comment, now)

    def withdraw(self, participant: int, now: float) -> None:
        """Delete a participant's trials and votes; their plan goes to the next one who comes."""
        with self.transaction():
            self._run("DELETE FROM trials WHERE participant = ?", participant)
            self._run("UPDATE participants SET number = NULL, withdrew_at = ? WHERE id = ?", now, participant)

    def empty_log(self) -> None:
        """Move what the log beside the file holds into the file: the log remembers what was deleted.

        Outside of transactions. Where another process reads meanwhile for long, a later call does it.
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
            raise StudyError(f"{self.path}: {exc}. Expected a file of votes in a folder of yours.") from exc
        except OSError as exc:
            raise StudyError(
                f"{self.path}: cannot be written ({exc.strerror}). Choose another with --votes."
            ) from exc


def _connect(path: Path) -> sqlite3.Connection:
    # threads share it under our lock; transactions are ours too, as Python's own would not begin as writers
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
    try:
        db.row_factory = sqlite3.Row
        is_new = _is_new(path, db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")  # what a participant withdraws is overwritten
        if is_new:  # at once, so that nobody meets half of it
            db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
    except (sqlite3.Error, StudyError):
        db.close()
        raise
    return db


def _is_new(path: Path, db: sqlite3.Connection) -> bool:
    """Whether a database has no tables yet; one of somebody else's is refused, and left as it is."""
    tables = {row["name"] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and not tables >= _TABLES:
        raise StudyError(f"{path}: is a database, but holds no votes of a study. Name another file.")
    return not tables


def _trial(row: sqlite3.Row) -> Trial:
    values: dict[str, Any] = dict(row)
    values["reasons"] = tuple(json.loads(values["reasons"] or "[]"))
    values["comment"] = values["comment"] or ""
    return Trial(**values)
