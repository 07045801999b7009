"""When things happen: the times and strengths of one source's events."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hits", "draw_hits"]

MIN_GAP_S = 0.5
"""No source acts more than twice a second, so that 4 frames a second can tell its events apart."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Times (seconds, ascending) and strengths in (0, 1] of one source's events."""

    times: NDArray[np.float64]
    strengths: NDArray[np.float64]

    def wait(self, time_s: float) -> float:
        """Seconds until the next event; infinite after the last."""
        index = int(np.searchsorted(self.times, time_s, side="left"))
        return float(self.times[index] - time_s) if index < len(self.times) else float("inf")

    def age(self, time_s: float) -> float:
        """Seconds since the last event; infinite before the first."""
        index = int(np.searchsorted(self.times, time_s, side="right")) - 1
        return float(time_s - self.times[index]) if index >= 0 else float("inf")

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


def draw_hits(rng: np.random.Generator, duration_s: float) -> Hits:
    """Draw a rhythm: regular (40 %), irregular (40 %), one event (14 %) or silence (6 %).

    Events keep 0.2 s from the clip's start and 0.3 s from its end, and :data:`MIN_GAP_S` from each other.
    """
    first, last = 0.2, max(0.21, duration_s - 0.3)
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
    strengths = np.clip(rng.uniform(0.55, 1.0) + rng.normal(0, 0.12, len(times)), 0.3, 1.0)
    return Hits(np.sort(times), strengths)
