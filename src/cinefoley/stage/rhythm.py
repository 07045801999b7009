"""Rhythms: times, strengths and durations of one source's events."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_GAP_S", "Hits", "draw_hits", "draw_spells", "keep_apart"]

MIN_GAP_S = 0.5
"""No source acts more than twice a second, so that 4 frames a second can tell its events apart."""


@dataclass(frozen=True, slots=True, init=False)
class Hits:
    """Times (seconds, ascending), strengths in (0, 1] and durations (0 for a stroke) of a source's events."""

    times: NDArray[np.float64]
    strengths: NDArray[np.float64]
    durations: NDArray[np.float64]

    def __init__(
        self,
        times: NDArray[np.float64],
        strengths: NDArray[np.float64],
        durations: NDArray[np.float64] | None = None,
    ) -> None:
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "strengths", strengths)
        object.__setattr__(self, "durations", np.zeros(len(times)) if durations is None else durations)

    def count(self, time_s: float) -> int:
        """Number of events up to ``time_s``."""
        return int(np.searchsorted(self.times, time_s, side="right"))

    def wait(self, time_s: float) -> float:
        """Seconds until the next event; infinite after the last."""
        index = int(np.searchsorted(self.times, time_s, side="left"))
        return float(self.times[index] - time_s) if index < len(self.times) else math.inf

    def age(self, time_s: float) -> float:
        """Seconds since the last event; infinite before the first."""
        index = self.count(time_s) - 1
        return float(time_s - self.times[index]) if index >= 0 else math.inf

    def fade(self, time_s: float, seconds: float) -> float:
        """1 at an event, falling in a straight line to 0 in ``seconds``; scaled by the event's strength."""
        index = self.count(time_s) - 1
        if index < 0:
            return 0.0
        left = 1 - float(time_s - self.times[index]) / seconds
        return max(0.0, left) * (0.4 + 0.6 * float(self.strengths[index]))

    def force(self, time_s: float) -> float:
        """Strength of the event that a movement belongs to: the next within 0.6 s, else the last; or 0.7."""
        if not len(self.times):
            return 0.7
        index = int(np.searchsorted(self.times, time_s, side="left"))
        if index == len(self.times) or (index > 0 and self.times[index] - time_s > 0.6):
            index -= 1
        return float(self.strengths[index])

    def lift(self, time_s: float, *, rest: float = 0.55) -> float:
        """How far a striking arm is raised, in [0, 1].

        It is 0 at an event, recovers to ``rest`` in 0.35 s, swings back to 1 and comes down over the last
        quarter second. At 4 frames a second at least one frame falls into every down-stroke.
        """
        wait, age = self.wait(time_s), self.age(time_s)
        if wait <= 0.25:
            coming = wait / 0.25
        elif wait <= 0.6:
            coming = rest + (1 - rest) * (0.6 - wait) / 0.35
        else:
            coming = rest
        return min(coming, age / 0.35 * rest) if age < 0.35 and wait > 0.25 else min(coming, 1.0)

    def swing(self, time_s: float, *, rest: float = 0.55) -> float:
        """:meth:`lift`, further for a stronger blow: up to 1.15."""
        return self.lift(time_s, rest=rest) * (0.65 + 0.5 * self.force(time_s))

    def activity(self, time_s: float, *, attack_s: float = 0.10, release_s: float = 0.20) -> float:
        """How strongly something that lasts is going on, in [0, 1]: it rises and falls at its ends."""
        index = self.count(time_s) - 1
        if index < 0:
            return 0.0
        age = float(time_s - self.times[index])
        level = min(1.0, age / attack_s, max(0.0, 1 - (age - float(self.durations[index])) / release_s))
        return level * float(self.strengths[index])

    def progress(self, time_s: float) -> float:
        """Share of the last event that is over, in [0, 1]; 1 before the first."""
        index = self.count(time_s) - 1
        if index < 0 or self.durations[index] <= 0:
            return 1.0
        return min(1.0, float((time_s - self.times[index]) / self.durations[index]))


def draw_hits(rng: np.random.Generator, duration_s: float, *, stroke_s: float = 0.0) -> Hits:
    """Draw a rhythm: regular (40 %), irregular (40 %), one event (14 %) or silence (6 %).

    Events keep 0.2 s from the clip's start and 0.3 s from its end, and :data:`MIN_GAP_S` from each other.

    Args:
        rng: Source of every draw.
        duration_s: The clip's length.
        stroke_s: How long each event lasts; less than :data:`MIN_GAP_S`.
    """
    first, last = 0.2, max(0.21, duration_s - 0.3 - stroke_s)
    style = rng.random()
    if style < 0.40:
        period = rng.uniform(MIN_GAP_S, 1.6)
        times = np.arange(first + rng.uniform(0, period), last, period)
        times = times + rng.uniform(-0.03, 0.03, len(times)) * (period > MIN_GAP_S + 0.1)
    elif style < 0.80:
        gaps = MIN_GAP_S + rng.exponential(rng.uniform(0.25, 1.1), size=int(duration_s / MIN_GAP_S) + 2)
        times = first + rng.uniform(0, 1.0) + np.concatenate([[0.0], np.cumsum(gaps)])
        times = times[times < last]
    elif style < 0.94:
        times = rng.uniform(first, last, 1)
    else:
        times = np.empty(0)
    strengths = np.clip(rng.uniform(0.55, 1.0) + rng.normal(0, 0.14, len(times)), 0.3, 1.0)
    return Hits(np.sort(times), strengths, np.full(len(times), stroke_s))


def draw_spells(rng: np.random.Generator, duration_s: float) -> Hits:
    """Draw times in which something that lasts goes on, 0.5 to 2.8 s each, pauses of 0.6 s or more between.

    5 % of draws are silent, 15 % hold one spell, the others as many as fit.
    """
    style = rng.random()
    spells: list[tuple[float, float]] = []
    start = 0.2 + float(rng.uniform(0, min(2.0, duration_s / 3)))
    while style >= 0.05 and start < duration_s - 0.8:
        lasts = min(float(rng.uniform(0.5, 2.8)), duration_s - 0.3 - start)
        spells.append((start, lasts))
        start += lasts + 0.6 + float(rng.exponential(0.5))
    if style < 0.20 and spells:
        spells = [spells[int(rng.integers(len(spells)))]]
    strengths = np.clip(rng.uniform(0.55, 1.0) + rng.normal(0, 0.14, len(spells)), 0.35, 1.0)
    times, lengths = np.array(spells).reshape(-1, 2).T
    return Hits(times, strengths, lengths)


def keep_apart(first: Hits, second: Hits, *, gap_s: float) -> Hits:
    """The events of ``second`` that keep ``gap_s`` from every event of ``first``."""
    if not len(first.times) or not len(second.times):
        return second
    distances = np.abs(second.times[:, None] - first.times[None]).min(axis=1)
    keep = distances >= gap_s
    return Hits(second.times[keep], second.strengths[keep], second.durations[keep])
