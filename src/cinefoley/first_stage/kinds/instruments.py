"""Instruments: drum, bell, guitar, bowed string."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.first_stage.actor import FLOOR, Actor, Box, draw_figure
from cinefoley.first_stage.canvas import Canvas, mix
from cinefoley.first_stage.rhythm import Hits
from cinefoley.first_stage.synthesis import Sound, bowed_string, filtered_noise, modes, plucked_string

__all__ = ["Bell", "Bow", "Drum", "Guitar"]


class Drum(Actor):
    """A drummer strikes a standing drum; its skin dents and rings spread over it."""

    kind: ClassVar[str] = "drum"
    family: ClassVar[str] = "instruments"
    target: ClassVar[Box] = (-0.30, -0.10, 0.30, FLOOR)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw player, stick, drum and the rings on its skin."""
        lift, age = self.hits.lift(time_s), self.hits.age(time_s)
        width = 0.22 + 0.08 * self.size
        hand = (-0.26 - 0.06 * lift, -0.16 - 0.30 * lift)
        draw_figure(canvas, (-0.50, 0.08), cloth=self.cloth, skin=self.skin, hand=hand, lean=1.0 - lift)
        canvas.polygon([(-width, 0), (width, 0), (width * 0.9, FLOOR), (-width * 0.9, FLOOR)], self.material)
        canvas.ellipse((0, FLOOR), (width * 0.9, 0.05), self.material)
        for stripe in (-0.5, 0.0, 0.5):
            canvas.line((stripe * width, 0.06), (stripe * width * 0.9, FLOOR), (40, 30, 25), width=0.015)
        canvas.ellipse((0, 0), (width, 0.075), (235, 228, 210))
        if age < 0.7:
            spread = age / 0.7
            ring = mix((30, 30, 40), (235, 228, 210), spread)
            canvas.ellipse((0, 0), (width * spread, 0.075 * spread), ring, width=0.025)
        tip = (-0.02, -0.02 - 0.42 * lift)
        canvas.line(hand, tip, (150, 95, 50), width=0.03)
        canvas.circle(tip, 0.03, (245, 235, 215))

    def sound(self, strength: float, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Modes of a round skin (1, 1.59, 2.14, 2.30, 2.65) over the stick's tap."""
        pitch = 190 * 2 ** (-1.2 * self.size)
        skin = modes(
            [pitch * ratio for ratio in (1, 1.59, 2.14, 2.30, 2.65)],
            [0.5, 0.36, 0.3, 0.26, 0.22],
            [1, 0.6 * strength, 0.4 * strength, 0.3 * strength, 0.3 * strength],
            sample_rate=sample_rate,
            glide=0.5,
        )
        tap = filtered_noise(rng, band_hz=(400, 4500), decay_s=0.07, sample_rate=sample_rate)
        skin[: len(tap)] += 0.25 * strength * tap
        return strength * 0.5 * skin


class Bell(Actor):
    """A hanging bell swings after the hammer strikes it."""

    kind: ClassVar[str] = "bell"
    family: ClassVar[str] = "instruments"
    target: ClassVar[Box] = (-0.05, -0.40, 0.45, 0.20)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw gallows, swinging bell, hammer and ringer."""
        lift, age = self.hits.lift(time_s, rest=0.45), self.hits.age(time_s)
        swing = 0.45 * math.exp(-age / 0.6) * math.cos(2 * math.pi * 1.1 * age) if age < 4 else 0.0
        canvas.line((0.2, -0.62), (0.2, -0.42), (70, 60, 55), width=0.03)
        canvas.line((-0.1, -0.62), (0.62, -0.62), (90, 70, 50), width=0.06)
        canvas.line((0.60, -0.62), (0.60, FLOOR), (90, 70, 50), width=0.06)
        size = 0.8 + 0.35 * self.size
        cos, sin = math.cos(swing), math.sin(swing)
        outline = [(-0.06, 0), (0.06, 0), (0.12, 0.22), (0.22, 0.42), (-0.22, 0.42), (-0.12, 0.22)]
        turned = [(0.2 + size * (x * cos + y * sin), -0.42 + size * (-x * sin + y * cos)) for x, y in outline]
        bronze = mix((205, 160, 60), self.material, 0.35)
        canvas.polygon(turned, bronze)
        canvas.line(turned[3], turned[4], mix(bronze, (255, 255, 230), math.exp(-age / 0.25)), width=0.05)
        hand = (-0.28 - 0.10 * lift, -0.10 - 0.16 * lift)
        draw_figure(canvas, (-0.52, 0.10), cloth=self.cloth, skin=self.skin, hand=hand)
        head = (-0.03 - 0.30 * lift, -0.06 - 0.12 * lift)
        canvas.line(hand, head, (120, 80, 45), width=0.03)
        canvas.circle(head, 0.05, (60, 60, 66))

    def sound(self, strength: float, rng: np.random.Generator, sample_rate: int) -> Sound:
        """A church bell's partials: hum, prime, tierce, quint, nominal and above."""
        prime = 720 * 2 ** (-1.3 * self.size)
        ratios = (0.5, 1.0, 1.19, 1.5, 2.0, 2.66, 3.01, 4.17)
        gains = [0.5, 0.8, 0.6, 0.3, 1.0, 0.5 * strength, 0.35 * strength, 0.3 * strength]
        decays = [2.2, 1.7, 1.5, 1.0, 1.2, 0.7, 0.5, 0.35]
        return strength * 0.28 * modes([prime * r for r in ratios], decays, gains, sample_rate=sample_rate)


class Guitar(Actor):
    """A seated player plucks; the string swings visibly and the arm follows through."""

    kind: ClassVar[str] = "guitar"
    family: ClassVar[str] = "instruments"
    target: ClassVar[Box] = (-0.28, -0.20, 0.62, 0.24)

    def __init__(self, rng: np.random.Generator, hits: Hits) -> None:
        super().__init__(rng, hits)
        scale = np.array([0, 2, 4, 7, 9, 12])
        self._notes = scale[rng.integers(0, len(scale), 64)].tolist()
        self._played = 0

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw player, guitar, swinging string and plucking hand."""
        lift, age = self.hits.lift(time_s), self.hits.age(time_s)
        draw_figure(canvas, (0.0, 0.22), cloth=self.cloth, skin=self.skin)
        wood = mix((176, 112, 52), self.material, 0.4)
        canvas.line((0.05, 0.0), (0.62, -0.16), (70, 45, 30), width=0.055)
        canvas.circle((-0.14, 0.05), 0.165, wood)
        canvas.circle((0.05, 0.0), 0.12, wood)
        canvas.circle((-0.02, 0.02), 0.05, (35, 25, 20))
        sway = 0.06 * math.exp(-age / 0.5) if age < 3 else 0.0
        canvas.line((-0.22, 0.07), (0.2, -0.04 + sway), (250, 250, 240), width=0.012)
        canvas.line((-0.22, 0.07), (0.2, -0.04 - sway), (250, 250, 240), width=0.012)
        canvas.line((0.2, -0.04 + sway), (0.58, -0.15), (250, 250, 240), width=0.012)
        hand = (-0.05 - 0.05 * lift, 0.14 - 0.34 * lift)
        canvas.line((-0.12, -0.12), (-0.26, 0.05 - 0.2 * lift), self.cloth, width=0.06)
        canvas.line((-0.26, 0.05 - 0.2 * lift), hand, self.skin, width=0.05)
        canvas.circle(hand, 0.04, self.skin)

    def sound(self, strength: float, rng: np.random.Generator, sample_rate: int) -> Sound:
        """One plucked note of a pentatonic scale."""
        note = self._notes[self._played % len(self._notes)]
        self._played += 1
        pitch = 220 * 2 ** (-self.size) * 2 ** (note / 12)
        return (
            strength
            * 0.6
            * plucked_string(pitch, decay_s=1.3, brightness=0.9 * strength, sample_rate=sample_rate)
        )


class Bow(Actor):
    """A cellist draws the bow; each stroke changes direction. It swells, so it has no sharp onset."""

    kind: ClassVar[str] = "bow"
    family: ClassVar[str] = "instruments"
    is_onset_like: ClassVar[bool] = False
    target: ClassVar[Box] = (-0.16, -0.42, 0.20, 0.44)
    contact: ClassVar[Box] = (-0.15, 0.02, 0.15, 0.16)
    stroke_s: ClassVar[float] = 0.48

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw player, cello, and the bow where its stroke has brought it."""
        age = self.hits.age(time_s)
        count = int(np.searchsorted(self.hits.times, time_s, side="right"))
        done = min(1.0, age / self.stroke_s)
        travel = (2 * done - 1) * (1 if count % 2 else -1) if count else -1.0
        draw_figure(canvas, (0.0, 0.18), cloth=self.cloth, skin=self.skin)
        wood = mix((150, 78, 38), self.material, 0.35)
        canvas.line((0.02, -0.42), (0.02, 0.0), (60, 38, 28), width=0.05)
        canvas.circle((0.02, 0.0), 0.13, wood)
        canvas.circle((0.02, 0.22), 0.17, wood)
        glow = 1.0 if age < self.stroke_s else 0.0
        canvas.line((0.02, -0.4), (0.02, 0.3), (255, 250, 225) if glow else (180, 170, 150), width=0.02)
        middle = 0.02 + 0.22 * travel
        canvas.line((middle - 0.36, 0.06), (middle + 0.36, 0.11), (240, 235, 220), width=0.025)
        hand = (middle + 0.36, 0.11)
        canvas.line((0.1, -0.12), (0.26 + 0.1 * travel, 0.06), self.cloth, width=0.06)
        canvas.line((0.26 + 0.1 * travel, 0.06), hand, self.skin, width=0.05)
        canvas.circle(hand, 0.04, self.skin)

    def sound(self, strength: float, rng: np.random.Generator, sample_rate: int) -> Sound:
        """One stroke of the bow, half a second long."""
        pitch = 196 * 2 ** (-self.size) * 2 ** (float(rng.integers(0, 3)) * 2 / 12)
        return strength * 0.22 * bowed_string(pitch, length_s=self.stroke_s, sample_rate=sample_rate, rng=rng)
