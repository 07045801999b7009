"""Instruments with strings: guitar and cello."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.stage.actor import Actor, Box, Hit
from cinefoley.stage.canvas import Canvas, Color, mix
from cinefoley.stage.effects import draw_ripples
from cinefoley.stage.figure import FLOOR, draw_figure
from cinefoley.stage.rhythm import Hits, draw_hits
from cinefoley.stage.synthesis import Sound, bowed_string, plucked_string

__all__ = ["Bow", "Guitar"]

_STRING: Color = (252, 250, 238)


class Guitar(Actor):
    """A seated player plucks; the string swings visibly, the arm follows through, the foot taps."""

    kind: ClassVar[str] = "guitar"
    family: ClassVar[str] = "instruments"
    target: ClassVar[Box] = (-0.32, -0.20, 0.60, 0.24)
    contact: ClassVar[Box] = (-0.14, -0.10, 0.12, 0.14)
    materials: ClassVar[tuple[str, ...]] = ("wood", "darkwood", "plastic")
    _SCALE: ClassVar[tuple[int, ...]] = (0, 2, 4, 7, 9, 12)

    def __init__(self, rng: np.random.Generator, hits: Hits) -> None:
        super().__init__(rng, hits)
        self._notes = [self._SCALE[note] for note in rng.integers(0, len(self._SCALE), 64)]

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw player, guitar, swinging string and plucking hand."""
        lift, age = self.hits.swing(time_s), self.hits.age(time_s)
        nod = self.hits.fade(time_s, 0.5)
        draw_figure(canvas, (-0.02, 0.24), self.look, other_hand=(0.42, -0.12), nod=1.6 * nod, is_seated=True)
        body = 0.9 + 0.25 * self.size
        canvas.line((0.05, 0.0), (0.60, -0.16), (70, 45, 30), width=0.06)
        canvas.circle((-0.15, 0.06), 0.165 * body, self.color)
        canvas.circle((0.04, 0.0), 0.12 * body, self.color)
        canvas.circle((-0.02, 0.02), 0.055, (35, 25, 20))
        sway = 0.075 * self.hits.force(time_s) * math.exp(-age / 0.45) if age < 3 else 0.0
        bright = mix((190, 180, 160), _STRING, 0.4 + 3 * sway)
        canvas.line((-0.24, 0.08), (0.16, -0.035 + sway), bright, width=0.014)
        canvas.line((-0.24, 0.08), (0.16, -0.035 - sway), bright, width=0.014)
        canvas.line((0.16, -0.035 + sway), (0.58, -0.155), bright, width=0.014)
        canvas.line((0.16, -0.035 - sway), (0.58, -0.155), bright, width=0.014)
        hand = (-0.03 - 0.10 * lift, 0.16 - 0.36 * lift)
        elbow = (-0.30, 0.06 - 0.22 * lift)
        canvas.line((-0.10, -0.10), elbow, self.look.cloth, width=0.075)
        canvas.line(elbow, hand, self.look.skin, width=0.055)
        canvas.circle(hand, 0.045, self.look.skin)
        if age < 0.6:
            spread = age / 0.6
            canvas.circle((-0.02, 0.02), 0.08 + 0.34 * spread, _STRING, width=0.022, alpha=0.7 * (1 - spread))

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the rings of the tapping foot."""
        draw_ripples(canvas, (0.2, FLOOR), self.hits.age(time_s), reach=0.55, color=(235, 228, 210))

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """One plucked note of a pentatonic scale."""
        pitch = 220 * 2 ** (-self.size + self._notes[hit.index % 64] / 12)
        decay, bright = (
            1.3 * (0.4 + self.material.decay),
            hit.strength * (0.5 + 0.6 * self.material.brightness),
        )
        note = plucked_string(pitch, decay_s=decay, brightness=bright, sample_rate=sample_rate)
        return hit.strength * 0.6 * note


class Bow(Actor):
    """A cellist draws the bow; each stroke changes direction. It swells, so it has no sharp onset."""

    kind: ClassVar[str] = "bow"
    family: ClassVar[str] = "instruments"
    is_onset_like: ClassVar[bool] = False
    target: ClassVar[Box] = (-0.18, -0.42, 0.22, 0.44)
    contact: ClassVar[Box] = (-0.15, 0.02, 0.19, 0.16)
    materials: ClassVar[tuple[str, ...]] = ("wood", "darkwood", "copper")
    stroke_s: ClassVar[float] = 0.48

    @classmethod
    def draw_hits(cls, rng: np.random.Generator, duration_s: float) -> Hits:
        """Draw the strokes, all of one length."""
        return draw_hits(rng, duration_s, stroke_s=cls.stroke_s)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw player, cello, and the bow where its stroke has brought it."""
        count = self.hits.count(time_s)
        travel = (2 * self.hits.progress(time_s) - 1) * (1 if count % 2 else -1) if count else -1.0
        sounding = self.hits.activity(time_s)
        draw_figure(
            canvas,
            (-0.04, 0.2),
            self.look,
            other_hand=(0.06, -0.30),
            lean=0.9 * travel,
            nod=0.6 * sounding,
            is_seated=True,
        )
        size = 0.9 + 0.2 * self.size
        canvas.line((0.02, -0.44), (0.02, 0.0), (60, 38, 28), width=0.055)
        canvas.circle((0.02, 0.0), 0.14 * size, self.color)
        canvas.circle((0.02, 0.22), 0.19 * size, self.color)
        canvas.line((0.02, 0.36), (0.02, FLOOR), (60, 60, 64), width=0.02)
        shiver = 0.018 * sounding * math.sin(90 * time_s)
        string = mix((170, 150, 130), _STRING, 2 * sounding)
        canvas.line((0.02, -0.4), (0.02 + shiver, 0.1), string, width=0.022 + 0.03 * sounding)
        canvas.line((0.02 + shiver, 0.1), (0.02, 0.3), string, width=0.022 + 0.03 * sounding)
        middle = 0.02 + 0.26 * travel
        canvas.line((middle - 0.40, 0.05), (middle + 0.40, 0.11), (240, 235, 220), width=0.03)
        hand = (middle + 0.40, 0.11)
        elbow = (0.26 + 0.12 * travel, 0.04)
        canvas.line((0.08, -0.12), elbow, self.look.cloth, width=0.075)
        canvas.line(elbow, hand, self.look.skin, width=0.055)
        canvas.circle(hand, 0.045, self.look.skin)

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """One stroke of the bow, half a second long."""
        pitch = 196 * 2 ** (-self.size + int(rng.integers(0, 3)) / 6)
        slope = 1.5 - 0.4 * self.material.brightness
        note = bowed_string(pitch, length_s=hit.duration_s, slope=slope, sample_rate=sample_rate, rng=rng)
        return hit.strength * 0.24 * note
