"""The rules of taking part: consent, a sound check, then one trial after the other, each answered once."""

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from cinefoley.errors import VoteRefusedError
from cinefoley.study.definition import StudySettings
from cinefoley.study.films import Film, StudyFilms
from cinefoley.study.plan import PlannedTrial, list_pairs, plan_trials
from cinefoley.study.sound_check import LEAST_BEEPS, MOST_BEEPS
from cinefoley.study.store import Choice, Participant, Trial, VoteStore

__all__ = ["Sessions", "Standing"]

_LONGEST_COMMENT = 1000
# A player's clock and ours differ a little, and a browser may end a film with its last frame's beginning.
_LEAST_SHARE_PLAYED = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a participant is."""

    stage: Literal["sound", "trial", "done", "withdrawn", "closed"]
    """What comes next."""
    answered: int = 0
    """Trials with a vote."""
    total: int = 0
    """Trials in all."""
    trial: str | None = None
    """Secret of the trial whose turn it is."""
    played: tuple[Choice, ...] = ()
    """Which of its films were played to their end."""


class Sessions:
    """Everything that participants can do. Safe to call from several threads.

    Args:
        study: The study's settings.
        films: Its films, from :func:`~cinefoley.study.films.find_films`.
        store: Where the votes go; tied to this study, or empty.
        clock: Seconds since 1970.

    Raises:
        StudyError: If the store holds another study's votes.
    """

    def __init__(
        self,
        study: StudySettings,
        films: StudyFilms,
        store: VoteStore,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.study = study
        self._films = films
        self._store = store
        self._clock = clock
        self._pairs = list_pairs(films.clips, list(study.methods), seed=study.seed)
        store.bind(_identity(study, films))

    def is_open(self) -> bool:
        """Whether votes are taken now."""
        closes = self.study.closes
        return closes is None or self._clock() < closes.timestamp()

    def is_full(self) -> bool:
        """Whether nobody else can begin. Who has begun can go on."""
        most = self.study.participants
        return most is not None and most <= sum(
            participant.withdrew_at is None for participant in self._store.list_participants()
        )

    def begin(self, nonce: str) -> str:
        """Take in a participant who has agreed to the consent text.

        Args:
            nonce: A random number of the page, 16 to 64 letters and digits; the same one, sent again, gives
                the same participant.

        Returns:
            The secret of their link.

        Raises:
            VoteRefusedError: If the study is full or closed, or the nonce is none.
        """
        if not (nonce.isascii() and nonce.isalnum() and 16 <= len(nonce) <= 64):
            raise VoteRefusedError("This page cannot be used to begin. Load it again.", "invalid")
        with self._store.transaction():
            known = self._store.find_participant(nonce=nonce)
            if known is not None:
                return known.token
            self._check_open()
            if self.is_full():
                raise VoteRefusedError("All places of this study are taken. Thank you for coming.", "closed")
            return self._store.add_participant(
                token=secrets.token_urlsafe(18),
                nonce=nonce,
                consent=hashlib.sha256(self.study.consent.encode()).hexdigest(),
                consent_text=self.study.consent,
                beeps=_draw_beeps(),
                now=self._clock(),
                plan=lambda number: [(secrets.token_urlsafe(18), trial) for trial in self._plan(number)],
            ).token

    def standing(self, token: str) -> Standing:
        """Where a participant is, also after a reload or on another day.

        Raises:
            VoteRefusedError: If nobody has this token.
        """
        with self._store.transaction():
            return self._standing(self._participant(token))

    def beeps(self, token: str) -> int:
        """How many beeps the participant's sound check plays now.

        Raises:
            VoteRefusedError: If nobody has this token.
        """
        return self._participant(token).beeps

    def hear(self, token: str, count: int) -> bool:
        """Check a count of beeps. After a wrong one their number is another.

        Returns:
            Whether it was right, now or before.

        Raises:
            VoteRefusedError: If nobody has this token, or the study is closed.
        """
        with self._store.transaction():
            participant = self._active(token)
            if participant.heard_at is not None:
                return True
            if count != participant.beeps:
                self._store.set_beeps(participant.id, _draw_beeps(other_than=participant.beeps))
                return False
            self._store.set_heard(participant.id, self._clock())
            self._store.open_next_trial(participant.id, self._clock())
            return True

    def film(self, trial: str, side: Choice) -> Film:
        """The film on one side of a trial.

        Raises:
            VoteRefusedError: If there is no such trial.
        """
        found = self._store.find_trial(trial)
        if found is None:
            raise VoteRefusedError("There is no such film.", "unknown")
        return self._film(found, side)

    def mark_played(self, token: str, trial: str, side: Choice) -> Standing:
        """Note that a film was played to its end.

        Raises:
            VoteRefusedError: If it is not this participant's turn with this trial, or less time has gone by
                than the film takes.
        """
        with self._store.transaction():
            participant = self._active(token)
            current = self._own_trial(participant, trial)
            if current.choice is not None:
                return self._standing(participant)
            self._check_turn(participant, current)
            others = [other for other in _played(current) if other != side]
            needed = sum(self._film(current, each).duration_s for each in (side, *others))
            if self._clock() - (current.opened_at or 0) < _LEAST_SHARE_PLAYED * needed:
                raise VoteRefusedError("Please watch both films to their end.", "early")
            self._store.set_played(current.id, side, self._clock())
            return self._standing(participant)

    def vote(
        self, token: str, trial: str, choice: Choice, *, reasons: Sequence[str] = (), comment: str = ""
    ) -> Standing:
        """Count a vote, once. It is on the disk when this returns.

        The same vote sent again, as after a lost answer, changes nothing and is no error.

        Args:
            token: The participant's secret.
            trial: The trial's secret.
            choice: Which film fits better.
            reasons: Some of the study's.
            comment: A remark of at most 1000 characters.

        Returns:
            Where the participant is now.

        Raises:
            VoteRefusedError: If participant or trial are unknown or do not belong together, the films have
                not been played, the trial was answered otherwise, the study is closed, or it is no answer.
        """
        if choice not in ("left", "right"):
            raise VoteRefusedError("Choose A or B.", "invalid")
        with self._store.transaction():
            participant = self._participant(token)
            current = self._own_trial(participant, trial)
            if current.choice is not None:
                if current.choice != choice:
                    raise VoteRefusedError("This pair is answered already; the first answer counts.", "taken")
                return self._standing(participant)
            self._check_open()
            self._check_turn(participant, current)
            if len(_played(current)) < 2:
                raise VoteRefusedError("Please watch both films to their end first.", "early")
            self._check_remarks(reasons, comment)
            self._store.add_vote(current.id, choice, reasons, comment.strip(), self._clock())
            self._store.open_next_trial(participant.id, self._clock())
            return self._standing(participant)

    def withdraw(self, token: str) -> Standing:
        """Delete all votes of a participant, at any time.

        Raises:
            VoteRefusedError: If nobody has this token.
        """
        with self._store.transaction():
            participant = self._participant(token)
            if participant.withdrew_at is None:
                self._store.withdraw(participant.id, self._clock())
        self._store.empty_log()
        return Standing(stage="withdrawn")

    def _plan(self, number: int) -> list[PlannedTrial]:
        attention = self.study.attention
        return plan_trials(
            number,
            self._pairs,
            pairs_per_participant=self.study.pairs_per_participant,
            checks=self._films.checks,
            checks_per_participant=attention.per_participant if attention else 0,
            seed=self.study.seed,
        )

    def _standing(self, participant: Participant) -> Standing:
        if participant.withdrew_at is not None:
            return Standing(stage="withdrawn")
        trials = self._store.list_trials(participant.id)
        waiting = [trial for trial in trials if trial.choice is None]
        answered, total = len(trials) - len(waiting), len(trials)
        if not waiting:
            return Standing(stage="done", answered=answered, total=total)
        if not self.is_open():
            return Standing(stage="closed", answered=answered, total=total)
        if participant.heard_at is None:
            return Standing(stage="sound", answered=answered, total=total)
        return Standing(
            stage="trial", answered=answered, total=total, trial=waiting[0].token, played=_played(waiting[0])
        )

    def _participant(self, token: str) -> Participant:
        found = self._store.find_participant(token=token) if token else None
        if found is None:
            raise VoteRefusedError("This link belongs to nobody. Check that it is complete.", "unknown")
        return found

    def _active(self, token: str) -> Participant:
        participant = self._participant(token)
        if participant.withdrew_at is not None:
            raise VoteRefusedError("You have left this study.", "closed")
        self._check_open()
        return participant

    def _own_trial(self, participant: Participant, token: str) -> Trial:
        trial = self._store.find_trial(token) if token else None
        if trial is None or trial.participant != participant.id:
            raise VoteRefusedError("There is no such pair for you.", "unknown")
        return trial

    def _check_open(self) -> None:
        if not self.is_open():
            raise VoteRefusedError("This study has ended. Thank you for coming.", "closed")

    def _check_turn(self, participant: Participant, trial: Trial) -> None:
        if trial.opened_at is None or participant.heard_at is None:
            raise VoteRefusedError("It is not the turn of this pair.", "early")

    def _check_remarks(self, reasons: Sequence[str], comment: str) -> None:
        if not set(reasons) <= set(self.study.reasons) or len(set(reasons)) < len(reasons):
            raise VoteRefusedError("A reason is not among those that can be given.", "invalid")
        if comment and not self.study.asks_for_comment:
            raise VoteRefusedError("This study takes no remarks.", "invalid")
        if len(comment) > _LONGEST_COMMENT:
            raise VoteRefusedError(f"A remark can have {_LONGEST_COMMENT} characters.", "invalid")

    def _film(self, trial: Trial, side: Choice) -> Film:
        name = trial.left if side == "left" else trial.right
        if trial.kind == "attention":
            return self._films.check_films[name == "better", trial.clip]
        return self._films.films[name, trial.clip]


def _played(trial: Trial) -> tuple[Choice, ...]:
    played: list[Choice] = []
    if trial.left_played_at is not None:
        played.append("left")
    if trial.right_played_at is not None:
        played.append("right")
    return tuple(played)


def _draw_beeps(other_than: int | None = None) -> int:
    numbers = [beeps for beeps in range(LEAST_BEEPS, MOST_BEEPS + 1) if beeps != other_than]
    return secrets.choice(numbers)


def _identity(study: StudySettings, films: StudyFilms) -> dict[str, str]:
    """What must not change while votes are collected."""
    attention = study.attention
    return {
        "methods": ", ".join(study.methods),
        "seed": str(study.seed),
        "pairs_per_participant": str(study.pairs_per_participant or "all"),
        "attention.per_participant": str(attention.per_participant if attention else 0),
    } | {f"film {name}": digest for name, digest in films.digests().items()}
