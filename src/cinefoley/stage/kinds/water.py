"""Water: dripping tap, stone into a pond, pouring jug."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.stage.actor import Actor, Box, Hit
from cinefoley.stage.canvas import Canvas, Color, mix
from cinefoley.stage.effects import draw_ripples
from cinefoley.stage.figure import FLOOR, draw_figure
from cinefoley.stage.rhythm import Hits, draw_spells
from cinefoley.stage.synthesis import Sound, filtered_noise, layers, modes, steady_noise, swell

__all__ = ["Drip", "Pour", "Splash"]

_FOAM: Color = (240, 248, 252)
_WATER: Color = (66, 118, 168)


class Drip(Actor):
    """A tap drips into a basin; rings spread on the water, their reflections run over the wall."""

    kind: ClassVar[str] = "drip"
    family: ClassVar[str] = "water"
    target: ClassVar[Box] = (-0.36, -0.12, 0.36, 0.34)
    contact: ClassVar[Box] = (-0.14, -0.08, 0.14, 0.08)
    materials: ClassVar[tuple[str, ...]] = ("steel", "copper", "stone", "plastic")

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the water's light dancing on the wall."""
        age = self.hits.age(time_s)
        for delay in (0.0, 0.2):
            spread = (age - delay) / 1.0
            if 0 < spread < 1:
                canvas.ellipse(
                    (0.05, -0.35),
                    (0.2 + 0.75 * spread, 0.1 + 0.34 * spread),
                    (255, 255, 250),
                    width=0.05,
                    alpha=0.5 * (1 - spread),
                )

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw tap, basin, the growing and falling drop, rings and the drop's rebound."""
        wait, age = self.hits.wait(time_s), self.hits.age(time_s)
        steel = mix((170, 175, 185), self.paint_color, 0.2)
        canvas.line((-0.48, -0.54), (0.0, -0.54), steel, width=0.09)
        canvas.line((0.0, -0.54), (0.0, -0.45), steel, width=0.09)
        canvas.line((-0.48, -0.54), (-0.48, FLOOR), steel, width=0.06)
        canvas.circle((-0.22, -0.62), 0.06, self.paint_color)
        wide = 0.36 + 0.10 * self.size
        canvas.polygon([(-wide, 0.0), (wide, 0.0), (0.7 * wide, FLOOR), (-0.7 * wide, FLOOR)], self.color)
        water = mix(_WATER, self.color, 0.15)
        canvas.ellipse((0, 0), (wide, 0.12), mix(self.color, (255, 255, 255), 0.3))
        canvas.ellipse((0, 0), (0.94 * wide, 0.105), water)
        for delay in (0.0, 0.18):
            spread = (age - delay) / 0.95
            if 0 < spread < 1:
                ring = mix(_FOAM, water, 0.8 * spread)
                canvas.ellipse((0, 0), (0.92 * wide * spread, 0.1 * spread), ring, width=0.03)
        if age < 0.36:
            rise = 4 * (age / 0.36) * (1 - age / 0.36)
            canvas.circle((0, -0.20 * rise), 0.04, _FOAM)
            for side in (-1, 1):
                canvas.circle((side * 0.5 * age, -0.14 * rise), 0.026, _FOAM)
        if wait < 0.30:
            canvas.circle((0, -0.44 * (1 - (1 - wait / 0.30) ** 2)), 0.05, (226, 242, 252))
        elif wait < 1.0:
            canvas.circle((0, -0.42), 0.018 + 0.035 * (1.0 - wait) / 0.7, (226, 242, 252))

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """An air bubble's rising tone (Minnaert) after a soft tick; the basin colours it."""
        pitch = 1600 * 2 ** (-1.2 * self.size) * float(rng.uniform(0.95, 1.05))
        decay, bright = 0.12 + 0.06 * self.material.decay, hit.strength * (0.3 + self.material.brightness)
        bubble = modes([pitch, 2.3 * pitch], [decay, 0.07], [1, 0.25], sample_rate=sample_rate, glide=-0.35)
        tick = filtered_noise(rng, band_hz=(1500, 6500), decay_s=0.03, sample_rate=sample_rate)
        return hit.strength * 0.5 * layers(bubble, 0.2 * bright * tick)


class Splash(Actor):
    """Somebody throws stones into a pond: a crown of water, then wide rings."""

    kind: ClassVar[str] = "splash"
    family: ClassVar[str] = "water"
    target: ClassVar[Box] = (-0.34, 0.00, 0.34, 0.50)
    contact: ClassVar[Box] = (-0.16, 0.24, 0.16, 0.46)
    materials: ClassVar[tuple[str, ...]] = ("stone", "iron", "wood")
    _LEVEL: ClassVar[float] = 0.38

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the pond and its rings."""
        canvas.disc((0.15, self._LEVEL), 1.15, mix(_WATER, self.paint_color, 0.12))
        draw_ripples(
            canvas,
            (0, self._LEVEL),
            self.hits.age(time_s),
            reach=1.0,
            color=_FOAM,
            lasts_s=1.5,
            delays_s=(0.0, 0.18, 0.36),
        )

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw the thrower, the flying stone, the crown and falling drops."""
        age, wait = self.hits.age(time_s), self.hits.wait(time_s)
        throw = min(max((0.75 - wait) / 0.3, 0.0), 1.0) if wait < 0.75 else 0.0
        swing = math.sin(math.pi * throw)
        hand = (-0.78 + 0.30 * throw, -0.05 - 0.42 * swing)
        draw_figure(canvas, (-0.86, 0.08), self.look, hand=hand, lean=1.4 * throw - 0.3)
        radius = 0.045 + 0.05 * self.size
        if wait < 0.45:
            way = wait / 0.45
            stone = (-0.50 * way, self._LEVEL - 0.42 * way - 0.75 * way * (1 - way))
            canvas.circle(stone, radius, self.color)
        if age < 0.62:
            tall = (
                (0.24 + 0.16 * self.size) * self.hits.force(time_s) * math.sin(math.pi * min(1, age / 0.62))
            )
            wide = 0.07 + 0.28 * age
            for index in range(7):
                side = (index - 3) / 3
                top = (side * (wide + 0.10), self._LEVEL - tall * (1.5 - 0.7 * abs(side)))
                canvas.line((side * wide, self._LEVEL), top, _FOAM, width=0.042)
                canvas.circle((top[0] * 1.15, top[1] - 0.05 + 0.1 * age), 0.03, _FOAM)

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """The slap of the surface, then the cavity's note and a spray of bubbles."""
        pitch = 420 * 2 ** (-1.3 * self.size)
        slap = filtered_noise(
            rng, band_hz=(300, 5200 * 2 ** (-0.6 * self.size)), decay_s=0.20, sample_rate=sample_rate
        )
        spray = filtered_noise(
            rng, band_hz=(1800, 6500), decay_s=0.45, sample_rate=sample_rate, attack_s=0.02
        )
        cavity = modes([pitch, 1.7 * pitch], [0.28, 0.2], [0.9, 0.4], sample_rate=sample_rate, glide=-0.4)
        bubbles = np.zeros(int(0.5 * sample_rate))
        for _ in range(6):
            start = int(rng.uniform(0.03, 0.16) * sample_rate)
            note = modes(
                [pitch * float(rng.uniform(2, 6))], [0.07], [0.2], sample_rate=sample_rate, glide=-0.3
            )
            bubbles[start : start + len(note)] += note[: len(bubbles) - start]
        return (
            hit.strength * 0.42 * layers(0.8 * self.material.brightness * slap, 0.16 * spray, cavity, bubbles)
        )


class Pour(Actor):
    """A jug pours water into a glass; the column of air gets shorter, so the pitch rises."""

    kind: ClassVar[str] = "pour"
    family: ClassVar[str] = "water"
    is_onset_like: ClassVar[bool] = False
    target: ClassVar[Box] = (-0.24, -0.30, 0.26, 0.22)
    contact: ClassVar[Box] = (-0.12, -0.12, 0.12, 0.18)
    materials: ClassVar[tuple[str, ...]] = ("steel", "copper", "plastic", "stone")

    @classmethod
    def draw_hits(cls, rng: np.random.Generator, duration_s: float) -> Hits:
        """Draw when it pours."""
        return draw_spells(rng, duration_s)

    def _level(self, time_s: float) -> float:
        """How full the glass is, in [0.1, 1]: all the spells together fill it."""
        if not len(self.hits.times):
            return 0.3
        poured = np.clip(time_s - self.hits.times, 0, self.hits.durations).sum()
        return 0.1 + 0.85 * float(poured / self.hits.durations.sum())

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw table, pourer, jug, stream and glass."""
        power = self.hits.activity(time_s)
        flow = min(1.0, 2 * power)
        wait = self.hits.wait(time_s)
        tip = max(flow, min(1.0, max(0.0, 1 - wait / 0.3)))
        jug = (-0.26, -0.30 - 0.06 * tip)
        draw_figure(canvas, (-0.66, 0.08), self.look, hand=(jug[0] - 0.12, jug[1]), lean=0.3 + 1.1 * tip)
        canvas.polygon([(-0.46, 0.20), (0.56, 0.20), (0.60, 0.27), (-0.50, 0.27)], (126, 88, 56))
        for leg in (-0.40, 0.48):
            canvas.line((leg, 0.26), (leg, FLOOR), (96, 66, 42), width=0.05)
        angle = 0.15 + 1.05 * tip
        cos, sin = math.cos(angle), math.sin(angle)
        outline = [(-0.11, -0.15), (0.13, -0.17), (0.10, 0.14), (-0.10, 0.14)]
        canvas.polygon(
            [(jug[0] + x * cos - y * sin, jug[1] + x * sin + y * cos) for x, y in outline], self.color
        )
        mouth = (jug[0] + 0.13 * cos + 0.17 * sin, jug[1] + 0.13 * sin - 0.17 * cos)
        wide = 0.12 + 0.05 * self.size
        level = 0.18 - 0.30 * self._level(time_s)
        canvas.polygon(
            [(-wide, -0.16), (wide, -0.16), (0.85 * wide, 0.20), (-0.85 * wide, 0.20)], (214, 230, 236)
        )
        canvas.polygon(
            [(-0.9 * wide, level), (0.9 * wide, level), (0.8 * wide, 0.19), (-0.8 * wide, 0.19)], _WATER
        )
        if flow > 0.03:
            thick = 0.035 + 0.05 * flow
            canvas.line(mouth, (0.0, mouth[1] + 0.06), _FOAM, width=thick)
            canvas.line((0.0, mouth[1] + 0.06), (0.0, level), mix(_WATER, _FOAM, 0.6), width=thick)
            for index in range(5):
                leap = (time_s * 2.7 + index / 5) % 1.0
                x = 0.30 * leap * math.sin(4.4 * index + 1)
                canvas.circle((x, level - 0.55 * leap + 0.75 * leap**2), 0.024, _FOAM)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw light through the moving water, glittering on the wall."""
        power = self.hits.activity(time_s)
        if power > 0.02:
            for index in range(4):
                x = 0.35 * math.sin(7 * time_s + 1.7 * index) + 0.1
                canvas.ellipse((x, -0.45 + 0.1 * index), (0.26, 0.035), (250, 252, 255), alpha=0.55 * power)

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Noise of the stream, a resonance that rises as the glass fills, and bubbles."""
        shape = swell(hit.duration_s, attack_s=0.10, release_s=0.14, sample_rate=sample_rate)
        time_s = np.arange(len(shape)) / sample_rate
        start = self._level(float(self.hits.times[hit.index]))
        end = self._level(float(self.hits.times[hit.index]) + hit.duration_s)
        full = start + (end - start) * np.clip(time_s / hit.duration_s, 0, 1)
        column = 520 * 2 ** (-0.8 * self.size) / (1.12 - full)
        carrier = np.exp(2j * math.pi * np.cumsum(column) / sample_rate)
        slow = steady_noise(rng, len(shape), band_hz=(8, 90), sample_rate=sample_rate)
        quick = steady_noise(rng, len(shape), band_hz=(8, 90), sample_rate=sample_rate)
        hollow = (carrier * (slow + 1j * quick)).real
        stream = steady_noise(rng, len(shape), band_hz=(900, 6000), sample_rate=sample_rate)
        return hit.strength * shape * (0.16 * hollow + 0.07 * self.material.brightness * stream)
