"""Balls and impacts."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.first_stage.actor import FLOOR, Actor, Box
from cinefoley.first_stage.canvas import Canvas, mix
from cinefoley.first_stage.synthesis import Sound, filtered_noise, modes

__all__ = ["Ball"]


class Ball(Actor):
    """A ball bounces: it flies on a parabola from one impact to the next, and its shadow shrinks below it."""

    kind: ClassVar[str] = "ball"
    family: ClassVar[str] = "impacts"
    target: ClassVar[Box] = (-0.16, -0.5, 0.16, FLOOR)
    contact: ClassVar[Box] = (-0.12, 0.33, 0.12, FLOOR)

    def _height(self, time_s: float) -> float:
        wait, age = self.hits.wait(time_s), self.hits.age(time_s)
        if math.isinf(wait) and math.isinf(age):
            return 0.0  # a silent clip: it lies on the floor
        if math.isinf(age):
            return min(0.85, 3.0 * wait**2)  # let go from a hand above
        flight = wait + age if not math.isinf(wait) else 0.7
        arc = max(0.0, age / flight * (1 - age / flight))
        return arc * min(0.85, 3.0 * flight**2 / 4 + 0.12) * 4

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw shadow, dust of the last impact, and the ball, flattened where it lands."""
        age = self.hits.age(time_s)
        radius = 0.085 + 0.045 * self.size
        height = self._height(time_s)
        canvas.ellipse((0, FLOOR + 0.02), (radius * (1.5 - height), 0.03), (35, 32, 30))
        if age < 0.55:
            spread = age / 0.55
            for side in (-1, 1):
                dust = mix((235, 225, 205), (140, 130, 120), spread)
                canvas.ellipse(
                    (side * (0.08 + 0.26 * spread), FLOOR - 0.03 * (1 - spread)), (0.05, 0.028), dust
                )
        squash = 0.7 if height < 0.04 else 1.0
        center = (0.0, FLOOR - radius * squash - height * 0.9)
        canvas.ellipse(center, (radius / math.sqrt(squash), radius * squash), self.material)
        canvas.ellipse((center[0] - 0.03, center[1] - 0.03), (radius * 0.35, radius * 0.35), (250, 250, 250))

    def sound(self, strength: float, rng: np.random.Generator, sample_rate: int) -> Sound:
        """The air inside (two low modes) and the slap of the skin."""
        pitch = 150 * 2 ** (-0.9 * self.size)
        thump = modes(
            [pitch, 2.1 * pitch, 9.5 * pitch], [0.22, 0.16, 0.09], [1, 0.5, 0.25], sample_rate=sample_rate
        )
        slap = filtered_noise(rng, band_hz=(700, 3000), decay_s=0.05, sample_rate=sample_rate)
        thump[: len(slap)] += 0.3 * strength * slap
        return strength * 0.6 * thump
