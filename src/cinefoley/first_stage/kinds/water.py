"""Water, wind and animals."""

from typing import ClassVar

import numpy as np

from cinefoley.first_stage.actor import FLOOR, Actor, Box
from cinefoley.first_stage.canvas import Canvas, mix
from cinefoley.first_stage.synthesis import Sound, filtered_noise, modes

__all__ = ["Drip"]


class Drip(Actor):
    """A tap drips into a basin; rings spread on the water."""

    kind: ClassVar[str] = "drip"
    family: ClassVar[str] = "water"
    target: ClassVar[Box] = (-0.35, -0.02, 0.35, 0.30)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw tap, basin, the growing and falling drop, and two rings."""
        wait, age = self.hits.wait(time_s), self.hits.age(time_s)
        steel = mix((170, 175, 185), self.material, 0.2)
        canvas.line((-0.45, -0.52), (0.0, -0.52), steel, width=0.08)
        canvas.line((0.0, -0.52), (0.0, -0.44), steel, width=0.08)
        canvas.line((-0.45, -0.52), (-0.45, FLOOR), steel, width=0.06)
        canvas.polygon([(-0.42, 0.0), (0.42, 0.0), (0.3, FLOOR), (-0.3, FLOOR)], self.cloth)
        water = mix((70, 120, 170), self.cloth, 0.15)
        canvas.ellipse((0, 0), (0.42, 0.11), water)
        if age < 1.1:
            for delay in (0.0, 0.18):
                spread = (age - delay) / 0.95
                if 0 < spread < 1:
                    ring = mix((245, 250, 255), water, spread)
                    canvas.ellipse((0, 0), (0.40 * spread, 0.105 * spread), ring, width=0.022)
        if age < 0.3:
            canvas.circle((0, -0.2 * (age / 0.3) * (1 - age / 0.3) * 4 * 0.6), 0.03, (225, 240, 250))
        if wait < 0.30:
            canvas.circle((0, -0.42 * (1 - (1 - wait / 0.30) ** 2)), 0.04, (225, 240, 250))
        elif wait < 1.0:
            canvas.circle((0, -0.40), 0.015 + 0.03 * (1.0 - wait) / 0.7, (225, 240, 250))

    def sound(self, strength: float, rng: np.random.Generator, sample_rate: int) -> Sound:
        """An air bubble's rising tone (Minnaert) after a soft tick."""
        pitch = 1500 * 2 ** (-1.1 * self.size) * float(rng.uniform(0.94, 1.06))
        bubble = modes([pitch, 2.3 * pitch], [0.16, 0.07], [1, 0.25], sample_rate=sample_rate, glide=-0.35)
        tick = filtered_noise(rng, band_hz=(1500, 6500), decay_s=0.03, sample_rate=sample_rate)
        bubble[: len(tick)] += 0.2 * strength * tick
        return strength * 0.5 * bubble
