"""Instruments that are struck: drum, bell, xylophone."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.stage.actor import Actor, Box, Hit
from cinefoley.stage.canvas import Canvas, Color, mix
from cinefoley.stage.effects import draw_dust, draw_ripples
from cinefoley.stage.figure import FLOOR, draw_figure
from cinefoley.stage.rhythm import Hits
from cinefoley.stage.synthesis import Sound, filtered_noise, layers, modes

__all__ = ["Bell", "Drum", "Xylophone"]

_SKIN: Color = (238, 230, 212)


class Drum(Actor):
    """A drummer strikes a standing drum; its skin dents and rings spread over it."""

    kind: ClassVar[str] = "drum"
    family: ClassVar[str] = "instruments"
    target: ClassVar[Box] = (-0.32, -0.10, 0.32, FLOOR)
    contact: ClassVar[Box] = (-0.12, -0.08, 0.12, 0.08)
    materials: ClassVar[tuple[str, ...]] = ("wood", "darkwood", "plastic", "steel")

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the floor trembling around the drum."""
        draw_dust(canvas, 0.0, self.hits.age(time_s), reach=0.75, strength=self.hits.force(time_s))

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw player, stick, drum and the rings on its skin."""
        lift, age = self.hits.swing(time_s), self.hits.age(time_s)
        width = 0.20 + 0.11 * self.size
        hand = (-0.26 - 0.06 * lift, -0.16 - 0.32 * lift)
        nod = self.hits.fade(time_s, 0.45)
        draw_figure(canvas, (-0.52, 0.08), self.look, hand=hand, lean=1.1 - 0.9 * lift, nod=nod)
        foot = 0.9 * width
        canvas.polygon([(-width, 0), (width, 0), (foot, FLOOR), (-foot, FLOOR)], self.color)
        canvas.ellipse((0, FLOOR), (foot, 0.04), self.color)
        for stripe in (-0.5, 0.0, 0.5):
            canvas.line(
                (stripe * width, 0.06), (stripe * foot, FLOOR), mix(self.color, (0, 0, 0), 0.6), width=0.02
            )
        struck = mix(_SKIN, (255, 150, 70), math.exp(-age / 0.18))
        canvas.ellipse((0, 0), (width, 0.085), mix(self.color, (0, 0, 0), 0.4))
        canvas.ellipse((0, 0), (0.93 * width, 0.072), struck)
        if age < 0.7:
            spread = age / 0.7
            ring = mix((40, 30, 40), _SKIN, spread)
            canvas.ellipse((0, 0), (0.9 * width * spread, 0.07 * spread), ring, width=0.028)
        tip = (-0.02, -0.02 - 0.42 * lift)
        canvas.line(hand, tip, (150, 95, 50), width=0.032)
        canvas.circle(tip, 0.038, (248, 238, 215))

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Modes of a round skin (1, 1.59, 2.14, 2.30, 2.65) over the stick's tap; the shell colours both."""
        pitch = 190 * 2 ** (-1.3 * self.size)
        decay, bright = 0.5 * (0.6 + 0.5 * self.material.decay), hit.strength * self.material.brightness
        skin = modes(
            [pitch * ratio for ratio in (1, 1.59, 2.14, 2.30, 2.65)],
            [decay * ratio for ratio in (1, 0.72, 0.6, 0.5, 0.44)],
            [1, 0.6 * bright, 0.4 * bright, 0.3 * bright, 0.3 * bright],
            sample_rate=sample_rate,
            glide=0.5,
        )
        tap = filtered_noise(rng, band_hz=(400, 4500), decay_s=0.07, sample_rate=sample_rate)
        return hit.strength * 0.5 * layers(skin, 0.3 * bright * tap)


class Bell(Actor):
    """A hanging bell swings after the hammer strikes it."""

    kind: ClassVar[str] = "bell"
    family: ClassVar[str] = "instruments"
    target: ClassVar[Box] = (-0.20, -0.56, 0.56, 0.12)
    contact: ClassVar[Box] = (-0.14, -0.16, 0.06, 0.04)
    materials: ClassVar[tuple[str, ...]] = ("bronze", "copper", "steel")

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw gallows, swinging bell, hammer and ringer."""
        lift, age = self.hits.swing(time_s, rest=0.45), self.hits.age(time_s)
        decay = -0.5 * self.hits.force(time_s) * math.exp(-age / 0.7)
        swing = decay * math.cos(2 * math.pi * 1.1 * age) if age < 4 else 0.0
        beam: Color = (98, 74, 50)
        canvas.line((0.62, -0.62), (0.62, FLOOR), beam, width=0.06)
        canvas.line((-0.1, -0.62), (0.66, -0.62), beam, width=0.06)
        size = 0.75 + 0.40 * self.size
        top = (0.2, -0.58)
        cos, sin = math.cos(swing), math.sin(swing)
        outline = [(-0.07, 0), (0.07, 0), (0.13, 0.22), (0.25, 0.46), (-0.25, 0.46), (-0.13, 0.22)]
        turned = [
            (top[0] + size * (x * cos + y * sin), top[1] + size * (-x * sin + y * cos)) for x, y in outline
        ]
        canvas.polygon(turned, self.color)
        glint = math.exp(-age / 0.3)
        canvas.line(
            turned[3], turned[4], mix(mix(self.color, (0, 0, 0), 0.3), (255, 255, 235), glint), width=0.06
        )
        canvas.line(turned[0], turned[5], mix(self.color, (255, 255, 255), 0.3), width=0.03)
        hand = (-0.26 - 0.10 * lift, -0.10 - 0.16 * lift)
        draw_figure(canvas, (-0.56, 0.10), self.look, hand=hand, lean=1.2 - 1.2 * lift)
        head = (-0.07 - 0.32 * lift, -0.06 - 0.14 * lift)
        canvas.line(hand, head, (120, 80, 45), width=0.036)
        canvas.circle(head, 0.062, (58, 58, 64))

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the rope's end dancing on the ground, as rings."""
        draw_ripples(
            canvas, (0.2, FLOOR), self.hits.age(time_s), reach=0.5, color=(240, 236, 220), delays_s=(0.0,)
        )

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """A church bell's partials: hum, prime, tierce, quint, nominal and above."""
        prime = 720 * 2 ** (-1.3 * self.size)
        bright = hit.strength * self.material.brightness
        ratios = (0.5, 1.0, 1.19, 1.5, 2.0, 2.66, 3.01, 4.17)
        gains = [0.5, 0.8, 0.6, 0.3, 1.0, 0.5 * bright, 0.35 * bright, 0.3 * bright]
        decays = [d * self.material.decay / 1.3 for d in (2.2, 1.7, 1.5, 1.0, 1.2, 0.7, 0.5, 0.35)]
        return (
            hit.strength * 0.28 * modes([prime * r for r in ratios], decays, gains, sample_rate=sample_rate)
        )


class Xylophone(Actor):
    """A player with mallets; each bar has its pitch, long ones sound low, and the struck bar lights up."""

    kind: ClassVar[str] = "xylophone"
    family: ClassVar[str] = "instruments"
    target: ClassVar[Box] = (-0.46, -0.14, 0.46, 0.16)
    contact: ClassVar[Box] = (-0.44, -0.12, 0.44, 0.12)
    materials: ClassVar[tuple[str, ...]] = ("wood", "darkwood", "steel", "bronze")
    _BARS: ClassVar[int] = 7
    _SCALE: ClassVar[tuple[int, ...]] = (0, 2, 4, 7, 9, 12, 14)

    def __init__(self, rng: np.random.Generator, hits: Hits) -> None:
        super().__init__(rng, hits)
        self._notes = rng.integers(0, self._BARS, 64).tolist()

    def contact_box(self, time_s: float) -> Box:
        """Around the bar that is struck next, or was last."""
        x = self._bar_x(self._notes[self._current(time_s) % 64])
        return (x - 0.08, -0.12, x + 0.08, 0.12)

    def _current(self, time_s: float) -> int:
        """Index of the event that the mallet is at: the next, unless the last is fresh."""
        after = self.hits.count(time_s)
        return (
            after - 1 if after and (self.hits.age(time_s) < 0.2 or after == len(self.hits.times)) else after
        )

    def _bar_x(self, note: int) -> float:
        return -0.39 + 0.13 * note

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw player, stand, bars, mallets."""
        lift, age = self.hits.swing(time_s), self.hits.age(time_s)
        note = self._notes[self._current(time_s) % 64]
        x = self._bar_x(note)
        hand, tip = (0.55 * x - 0.05, -0.20 - 0.26 * lift), (x, -0.02 - 0.44 * lift)
        lean = 1.2 * x
        nod = self.hits.fade(time_s, 0.4)
        draw_figure(canvas, (0.0, 0.10), self.look, hand=hand, other_hand=(0.28, -0.15), lean=lean, nod=nod)
        for leg in (-0.4, 0.4):
            canvas.line((leg, 0.08), (leg, FLOOR), (70, 58, 50), width=0.04)
        canvas.line((-0.44, 0.09), (0.44, 0.09), (70, 58, 50), width=0.04)
        struck = self._notes[(self.hits.count(time_s) - 1) % 64] if self.hits.count(time_s) else -1
        for bar in range(self._BARS):
            half = 0.20 - 0.02 * bar
            glow = math.exp(-age / 0.3) if bar == struck else 0.0
            color = mix(mix(self.color, (255, 255, 255), 0.06 * (bar % 2)), (255, 244, 160), glow)
            center = self._bar_x(bar)
            dip = 0.03 * glow
            canvas.line((center, -half * 0.7 + dip), (center, half * 0.7 + dip), color, width=0.10)
        canvas.line(hand, tip, (190, 150, 100), width=0.026)
        canvas.circle(tip, 0.045, (196, 40, 52))
        if age < 0.6 and struck >= 0:
            spread = age / 0.6
            canvas.circle(
                (self._bar_x(struck), -0.12 - 0.34 * spread),
                0.03 + 0.07 * spread,
                (255, 246, 190),
                width=0.024,
                alpha=1 - 0.8 * spread,
            )

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Modes of a tuned bar (1, 3.93, 9.2): metal rings on, wood knocks."""
        pitch = 880 * 2 ** (-1.0 * self.size + self._SCALE[self._notes[hit.index % 64]] / 12)
        decay, bright = 0.55 * self.material.decay**2, hit.strength * self.material.brightness
        bar = modes(
            [pitch, 3.93 * pitch, 9.2 * pitch],
            [decay, 0.35 * decay, 0.12 * decay],
            [1, 0.4 * bright, 0.2 * bright],
            sample_rate=sample_rate,
        )
        knock = filtered_noise(rng, band_hz=(900, 5000), decay_s=0.03, sample_rate=sample_rate)
        return hit.strength * 0.55 * layers(bar, 0.12 * bright * knock)
