"""A study in operation, with a clock that tests turn."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cinefoley.study.definition import StudySettings
from cinefoley.study.sessions import Sessions
from cinefoley.study.store import Choice, Trial, VoteStore
from cinefoley.study.videos import StudyVideos


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A study in operation: a store, a clock, and people who follow the rules."""

    def __init__(self, settings: StudySettings, videos: StudyVideos, path: Path, **changes: Any) -> None:
        self.settings = replace(settings, **changes)
        self.clock = Clock()
        self.store = VoteStore(path)
        self.sessions = Sessions(self.settings, videos, self.store, clock=self.clock)
        self._nonces = 0

    def arrive(self) -> str:
        """Begin and pass the sound check."""
        self._nonces += 1
        token = self.sessions.begin(f"{self._nonces:032d}")
        assert self.sessions.check_beeps(token, self.sessions.beeps(token))
        return token

    def turn(self, token: str) -> str:
        """The secret of the trial whose turn it is."""
        trial = self.sessions.standing(token).trial
        assert trial is not None
        return trial

    def stored(self, secret: str) -> Trial:
        """A trial as the file has it."""
        trial = self.store.find_trial(secret)
        assert trial is not None
        return trial

    def watch(self, token: str) -> str:
        """Play both videos of the current trial; returns its secret."""
        trial = self.turn(token)
        sides: tuple[Choice, Choice] = ("left", "right")
        for side in sides:
            self.clock.now += self.sessions.video(trial, side).duration_s
            self.sessions.mark_played(token, trial, side)
        return trial

    def answer_all(self, token: str, choose: Callable[[str, str], bool]) -> None:
        """Vote left where ``choose(left, right)`` says so."""
        while self.sessions.standing(token).stage == "trial":
            secret = self.watch(token)
            trial = self.stored(secret)
            self.sessions.vote(token, secret, "left" if choose(trial.left, trial.right) else "right")


MakeBench = Callable[..., Bench]
