"""Rules of participation: consent, a sound check, then one trial after the other, each answered once."""

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from cinefoley.errors import VoteRefusedError
from cinefoley.study.definition import StudySettings
from cinefoley.study.plan import PlannedTrial, list_pairs, plan_trials
from cinefoley.study.sound_check import LEAST_BEEPS, MOST_BEEPS
from cinefoley.study.store import Choice, Participant, Trial, VoteStore
from cinefoley.study.videos import StudyVideo, StudyVideos

__all__ = ["Sessions", "Standing"]

_LONGEST_COMMENT = 1000
# Clocks of player and server differ slightly, and a browser may end a video at the start of its last frame.
_LEAST_SHARE_PLAYED = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Progress of a participant."""

    stage: Literal["sound", "trial", "done", "withdrawn", "closed"]
    """Next step."""
    answered: int = 0
    """Number of trials with a vote."""
    total: int = 0
    """Number of trials."""
    trial: str | None = None
    """Secret of the current trial."""
    played: tuple[Choice, ...] = ()
    """Videos of the current trial that were played to the end."""


class Sessions:
    """All actions of participants. Thread-safe.

    Args:
        study: Settings of the study.
        videos: Its videos, from :func:`~cinefoley.study.videos.find_videos`.
        store: Store of the votes, of this study or empty.
        clock: Returns seconds since 1970.

    Raises:
        StudyError: If the store contains votes of another study.
    """

    def __init__(
        self,
        study: StudySettings,
        videos: StudyVideos,
        store: VoteStore,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.study = study
        self._videos = videos
        self._store = store
        self._clock = clock
        self._pairs = list_pairs(videos.clips, list(study.methods), seed=study.seed)
        store.bind(_identity(study, videos))

    def is_open(self) -> bool:
        """Whether votes are accepted now."""
        closes = self.study.closes
        return closes is None or self._clock() < closes.timestamp()

    def is_full(self) -> bool:
        """Whether no further participant can begin. Participants who have begun can continue."""
        most = self.study.participants
        return most is not None and most <= sum(
            participant.withdrew_at is None for participant in self._store.list_participants()
        )

    def begin(self, nonce: str) -> str:
        """Add a participant who has agreed to the consent text.

        Args:
            nonce: Random text of the page, 16 to 64 letters and digits. If it is sent again, it returns the
                same
                participant.

        Returns:
            Secret of the participant's link.

        Raises:
            VoteRefusedError: If the study is full or closed, or the nonce is invalid.
        """
        if not (nonce.isascii() and nonce.isalnum() and 16 <= len(nonce) <= 64):
            raise VoteRefusedError("This page is out of date. Please reload it.", "invalid")
        with self._store.transaction():
            known = self._store.find_participant(nonce=nonce)
            if known is not None:
                return known.token
            self._check_open()
            if self.is_full():
                raise VoteRefusedError(
                    "This study has enough participants. Thank you for your interest.", "closed"
                )
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
        """Progress of a participant.

        Raises:
            VoteRefusedError: If the token is unknown.
        """
        with self._store.transaction():
            return self._standing(self._participant(token))

    def beeps(self, token: str) -> int:
        """Number of beeps in the participant's sound check.

        Raises:
            VoteRefusedError: If the token is unknown.
        """
        return self._participant(token).beeps

    def check_beeps(self, token: str, count: int) -> bool:
        """Check the number of beeps that a participant counted. After a wrong answer the number changes.

        Returns:
            Whether the answer is right, or an earlier one was.

        Raises:
            VoteRefusedError: If the token is unknown, or the study is closed.
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

    def video(self, trial: str, side: Choice) -> StudyVideo:
        """The video on one side of a trial.

        Raises:
            VoteRefusedError: If there is no such trial.
        """
        found = self._store.find_trial(trial)
        if found is None:
            raise VoteRefusedError("There is no such video.", "unknown")
        return self._video(found, side)

    def mark_played(self, token: str, trial: str, side: Choice) -> Standing:
        """Record that a video was played to the end.

        Raises:
            VoteRefusedError: If this is not the participant's current trial, or less time has passed than the
                video lasts.
        """
        with self._store.transaction():
            participant = self._active(token)
            current = self._own_trial(participant, trial)
            if current.choice is not None:
                return self._standing(participant)
            self._check_turn(participant, current)
            others = [other for other in _played(current) if other != side]
            needed = sum(self._video(current, each).duration_s for each in (side, *others))
            if self._clock() - (current.opened_at or 0) < _LEAST_SHARE_PLAYED * needed:
                raise VoteRefusedError("Please watch both videos to the end.", "early")
            self._store.set_played(current.id, side, self._clock())
            return self._standing(participant)

    def vote(
        self, token: str, trial: str, choice: Choice, *, reasons: Sequence[str] = (), comment: str = ""
    ) -> Standing:
        """Store a vote; it is on disk when this method returns.

        The same vote sent again, for example after a lost answer, changes nothing.

        Args:
            token: Secret of the participant.
            trial: Secret of the trial.
            choice: Video that fits better.
            reasons: Some of the study's reasons.
            comment: At most 1000 characters.

        Returns:
            Progress of the participant.

        Raises:
            VoteRefusedError: If participant or trial are unknown or do not belong together, the videos have
                not been played, the trial has another answer, the study is closed, or the vote is invalid.
        """
        if choice not in ("left", "right"):
            raise VoteRefusedError("Choose A or B.", "invalid")
        with self._store.transaction():
            participant = self._participant(token)
            current = self._own_trial(participant, trial)
            if current.choice is not None:
                if current.choice != choice:
                    raise VoteRefusedError(
                        "You have already answered this pair; the first answer counts.", "taken"
                    )
                return self._standing(participant)
            self._check_open()
            self._check_turn(participant, current)
            if len(_played(current)) < 2:
                raise VoteRefusedError("Please watch both videos to the end first.", "early")
            self._check_additions(reasons, comment)
            self._store.add_vote(current.id, choice, reasons, comment.strip(), self._clock())
            self._store.open_next_trial(participant.id, self._clock())
            return self._standing(participant)

    def withdraw(self, token: str) -> Standing:
        """Delete all votes of a participant.

        Raises:
            VoteRefusedError: If the token is unknown.
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
            checks=self._videos.checks,
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
            raise VoteRefusedError("This link is not valid. Please check that it is complete.", "unknown")
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
            raise VoteRefusedError("You have no such pair.", "unknown")
        return trial

    def _check_open(self) -> None:
        if not self.is_open():
            raise VoteRefusedError("This study has ended. Thank you for your interest.", "closed")

    def _check_turn(self, participant: Participant, trial: Trial) -> None:
        if trial.opened_at is None or participant.heard_at is None:
            raise VoteRefusedError("This pair comes later.", "early")

    def _check_additions(self, reasons: Sequence[str], comment: str) -> None:
        if not set(reasons) <= set(self.study.reasons) or len(set(reasons)) < len(reasons):
            raise VoteRefusedError("A reason is not in the list.", "invalid")
        if comment and not self.study.asks_for_comment:
            raise VoteRefusedError("This study has no comments.", "invalid")
        if len(comment) > _LONGEST_COMMENT:
            raise VoteRefusedError(f"A comment can have at most {_LONGEST_COMMENT} characters.", "invalid")

    def _video(self, trial: Trial, side: Choice) -> StudyVideo:
        name = trial.left if side == "left" else trial.right
        if trial.kind == "attention":
            return self._videos.check_videos[name == "better", trial.clip]
        return self._videos.videos[name, trial.clip]


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


def _identity(study: StudySettings, videos: StudyVideos) -> dict[str, str]:
    """Settings and files that must not change while votes are collected."""
    attention = study.attention
    return {
        "methods": ", ".join(study.methods),
        "seed": str(study.seed),
        "pairs_per_participant": str(study.pairs_per_participant or "all"),
        "attention.per_participant": str(attention.per_participant if attention else 0),
    } | {f"film {name}": digest for name, digest in videos.digests().items()}
