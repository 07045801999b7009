"""Tools: hammer, axe, saw, drill."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.stage.actor import Actor, Box, Hit
from cinefoley.stage.canvas import Canvas, Color, mix
from cinefoley.stage.effects import draw_dust, draw_sparks, draw_speed_lines
from cinefoley.stage.figure import FLOOR, draw_figure
from cinefoley.stage.rhythm import Hits, draw_hits, draw_spells
from cinefoley.stage.synthesis import Sound, filtered_noise, harmonics, layers, modes, steady_noise, swell

__all__ = ["Axe", "Drill", "Hammer", "Saw"]

_WOOD: Color = (206, 168, 112)


class Hammer(Actor):
    """A smith hits an anvil; sparks fly from the contact and light the smith."""

    kind: ClassVar[str] = "hammer"
    family: ClassVar[str] = "tools"
    target: ClassVar[Box] = (-0.24, -0.10, 0.38, FLOOR)
    contact: ClassVar[Box] = (-0.12, -0.10, 0.16, 0.06)
    materials: ClassVar[tuple[str, ...]] = ("steel", "iron", "bronze")

    def flash(self, time_s: float) -> float:
        """The glowing iron flares."""
        return 0.25 * self.hits.fade(time_s, 0.3)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw embers scattering over the floor."""
        age = self.hits.age(time_s)
        draw_dust(canvas, 0.05, age, reach=0.8, strength=self.hits.force(time_s), color=(250, 170, 80))

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw smith, anvil, hammer and flying sparks."""
        lift, age = self.hits.swing(time_s), self.hits.age(time_s)
        hand = (-0.28 - 0.02 * lift, -0.06 - 0.44 * lift)
        draw_figure(
            canvas, (-0.54, 0.08), self.look, hand=hand, other_hand=(-0.2, 0.0), lean=1.5 - 1.3 * lift
        )
        iron, wide = mix((78, 80, 90), self.color, 0.35), 0.85 + 0.3 * self.size
        canvas.polygon([(-0.08, 0.1), (0.12, 0.1), (0.22, FLOOR), (-0.16, FLOOR)], (105, 75, 48))
        canvas.polygon([(-0.2 * wide, -0.02), (0.36 * wide, -0.02), (0.2, 0.11), (-0.14, 0.11)], iron)
        canvas.line(
            (-0.18 * wide, -0.02), (0.32 * wide, -0.02), mix(iron, (255, 255, 255), 0.35), width=0.025
        )
        glow = self.hits.fade(time_s, 0.9)
        canvas.line((-0.08, -0.045), (0.14, -0.045), mix((150, 60, 36), (255, 226, 120), glow), width=0.055)
        draw_sparks(canvas, (0.0, -0.06), age, reach=0.75, count=9)
        head = (0.0 - 0.04 * lift, -0.09 - 0.54 * lift)
        canvas.line(hand, head, (130, 90, 50), width=0.035)
        canvas.line((head[0], head[1] - 0.06), (head[0], head[1] + 0.03), (60, 62, 70), width=0.11)

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Modes of a free bar (1, 2.76, 5.40, 8.93): metal rings long and bright."""
        pitch = 900 * 2 ** (-0.9 * self.size)
        decay, bright = 0.52 * self.material.decay, hit.strength * self.material.brightness
        ring = modes(
            [pitch * ratio for ratio in (1, 1.51, 2.76, 5.40, 8.93)],
            [decay * ratio for ratio in (1.0, 0.8, 0.85, 0.5, 0.3)],
            [0.8, 0.5, 1.0, 0.7 * bright, 0.5 * bright],
            sample_rate=sample_rate,
        )
        knock = filtered_noise(rng, band_hz=(500, 5000), decay_s=0.03, sample_rate=sample_rate)
        return hit.strength * 0.3 * layers(ring, 0.4 * bright * knock)


class Axe(Actor):
    """An axe splits wood on a block; chips fly."""

    kind: ClassVar[str] = "axe"
    family: ClassVar[str] = "tools"
    target: ClassVar[Box] = (-0.20, -0.14, 0.22, FLOOR)
    contact: ClassVar[Box] = (-0.12, -0.10, 0.12, 0.12)
    materials: ClassVar[tuple[str, ...]] = ("wood", "darkwood")

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw saw dust running over the ground."""
        age = self.hits.age(time_s)
        draw_dust(canvas, 0.0, age, reach=0.75, strength=self.hits.force(time_s), color=(232, 200, 146))

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw woodcutter, block, axe on its arc and flying chips."""
        lift, age = self.hits.swing(time_s), self.hits.age(time_s)
        angle = 0.1 + 1.75 * lift
        hand = (-0.32 + 0.02 * lift, -0.04 - 0.38 * lift)
        draw_figure(canvas, (-0.62, 0.08), self.look, hand=hand, other_hand=hand, lean=1.9 - 1.7 * lift)
        bark, wide = mix((110, 72, 42), self.color, 0.4), 0.85 + 0.3 * self.size
        canvas.polygon(
            [(-0.17 * wide, 0.13), (0.19 * wide, 0.13), (0.21 * wide, FLOOR), (-0.19 * wide, FLOOR)], bark
        )
        canvas.ellipse((0.01, 0.13), (0.18 * wide, 0.045), (214, 180, 130))
        gap = min(1.0, age / 0.4) * 0.11 if age < 1.0 else 0.0
        for side in (-1, 1):
            canvas.line((side * (0.04 + gap), -0.02), (side * (0.05 + 1.7 * gap), 0.12), _WOOD, width=0.075)
        if age < 0.7:
            for index in range(6):
                way = (-1) ** index * (0.3 + 0.24 * index) * age * 1.7
                canvas.circle((way, -0.05 - 0.9 * age + 1.7 * age**2), 0.032, (244, 214, 160))
        head = (hand[0] + 0.34 * math.cos(angle), hand[1] + 0.02 - 0.34 * math.sin(angle))
        canvas.line(hand, head, (140, 100, 60), width=0.036)
        cos, sin = math.cos(angle), math.sin(angle)
        blade = [
            (head[0] + dx * cos + dy * sin, head[1] - dx * sin + dy * cos)
            for dx, dy in ((-0.03, -0.03), (0.05, -0.03), (0.08, 0.11), (-0.06, 0.11))
        ]
        canvas.polygon(blade, (204, 208, 216))
        draw_speed_lines(canvas, (0.0, -0.04), age, inner=0.12, outer=0.34)

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """A dull wooden knock and splintering noise."""
        pitch = 340 * 2 ** (-0.8 * self.size)
        decay, bright = 0.16 * (0.2 + self.material.decay), hit.strength * (0.3 + self.material.brightness)
        knock = modes(
            [pitch, 1.9 * pitch, 3.3 * pitch],
            [decay, 0.75 * decay, 0.6 * decay],
            [1, 0.7, 0.5 * bright],
            sample_rate=sample_rate,
        )
        split = filtered_noise(rng, band_hz=(900, 6500), decay_s=0.14, sample_rate=sample_rate)
        return hit.strength * 0.5 * layers(knock, 0.32 * bright * split)


class Saw(Actor):
    """Somebody saws a plank: one rasp a stroke, back and forth; dust falls."""

    kind: ClassVar[str] = "saw"
    family: ClassVar[str] = "tools"
    is_onset_like: ClassVar[bool] = False
    target: ClassVar[Box] = (-0.44, -0.18, 0.44, 0.24)
    contact: ClassVar[Box] = (-0.10, -0.06, 0.14, 0.14)
    materials: ClassVar[tuple[str, ...]] = ("wood", "darkwood", "plastic")
    stroke_s: ClassVar[float] = 0.40

    @classmethod
    def draw_hits(cls, rng: np.random.Generator, duration_s: float) -> Hits:
        """Draw the strokes, all of one length."""
        return draw_hits(rng, duration_s, stroke_s=cls.stroke_s)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the heap of dust that a stroke blows up."""
        draw_dust(
            canvas,
            0.02,
            self.hits.age(time_s),
            reach=0.5,
            strength=self.hits.force(time_s),
            color=(236, 206, 150),
        )

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw the sawyer, the plank on its trestles, the saw, falling dust."""
        count, cutting = self.hits.count(time_s), self.hits.activity(time_s, attack_s=0.05)
        travel = (2 * self.hits.progress(time_s) - 1) * (1 if count % 2 else -1) if count else -1.0
        hand = (-0.30 + 0.16 * travel, -0.12)
        draw_figure(
            canvas, (-0.62, 0.08), self.look, hand=hand, other_hand=(-0.22, 0.04), lean=1.6 + 1.0 * travel
        )
        thick = 0.08 + 0.05 * self.size
        for leg in (-0.34, 0.36):
            canvas.line((leg, 0.16), (leg - 0.07, FLOOR), (96, 70, 46), width=0.04)
            canvas.line((leg, 0.16), (leg + 0.07, FLOOR), (96, 70, 46), width=0.04)
        canvas.line((-0.46, 0.12), (0.62, 0.12), self.color, width=thick)
        canvas.line((0.02, 0.07), (0.02, 0.16), (50, 36, 26), width=0.02)
        tip = (hand[0] + 0.62, 0.10)
        blade = [(hand[0], -0.16), (tip[0], 0.02), tip, (hand[0] + 0.06, -0.02)]
        canvas.polygon(blade, mix((196, 200, 208), (255, 255, 255), 0.6 * cutting))
        canvas.circle(hand, 0.06, (176, 90, 44))
        if cutting > 0.05:
            for index in range(6):
                fall = (time_s * 2.3 + index / 6) % 1.0
                x = 0.02 + 0.12 * math.sin(5.1 * index) * fall
                canvas.circle((x, 0.16 + 0.28 * fall), 0.026, (248, 220, 164))

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Teeth over wood: noise around the plank's resonance, roughened at the rate of the teeth."""
        shape = swell(hit.duration_s, attack_s=0.05, release_s=0.06, sample_rate=sample_rate)
        time_s = np.arange(len(shape)) / sample_rate
        center = 1900 * 2 ** (-1.0 * self.size) * (0.7 + 0.3 * self.material.brightness)
        center *= 1.0 if hit.index % 2 else 0.8
        rasp = steady_noise(rng, len(shape), band_hz=(0.6 * center, 2.4 * center), sample_rate=sample_rate)
        teeth = 0.55 + 0.45 * np.sign(np.sin(2 * math.pi * (55 + 45 * hit.strength) * time_s))
        return hit.strength * 0.24 * shape * rasp * teeth


class Drill(Actor):
    """A drill bores into a wall: it whirrs as long as it turns, dust streams down."""

    kind: ClassVar[str] = "drill"
    family: ClassVar[str] = "tools"
    is_onset_like: ClassVar[bool] = False
    target: ClassVar[Box] = (-0.36, -0.16, 0.18, 0.18)
    contact: ClassVar[Box] = (-0.04, -0.10, 0.18, 0.10)
    materials: ClassVar[tuple[str, ...]] = ("stone", "wood", "iron")

    @classmethod
    def draw_hits(cls, rng: np.random.Generator, duration_s: float) -> Hits:
        """Draw when it turns."""
        return draw_spells(rng, duration_s)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the cloud of dust on the ground below."""
        power = self.hits.activity(time_s)
        if power > 0.02:
            wave = 0.05 * math.sin(9 * time_s)
            canvas.disc((0.05, FLOOR), 0.55 + wave, (226, 216, 200), alpha=0.6 * power)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw the wall, the worker pressing, the drill and its dust."""
        power = self.hits.activity(time_s)
        jolt = 0.02 * power * math.sin(53.0 * time_s)
        canvas.polygon([(0.10, -0.75), (0.50, -0.75), (0.50, FLOOR), (0.10, FLOOR)], self.color)
        line = mix(self.color, (0, 0, 0), 0.25)
        for row in range(6):
            canvas.line((0.10, -0.6 + 0.2 * row), (0.50, -0.6 + 0.2 * row), line, width=0.014)
        press = 0.07 * min(1.0, 2 * power)
        hand = (-0.30 + press, 0.06 + jolt)
        draw_figure(
            canvas,
            (-0.62, 0.08),
            self.look,
            hand=hand,
            other_hand=(-0.16 + press, 0.02 + jolt),
            lean=0.4 + 1.8 * power,
        )
        body, size = self.paint_color, 0.9 + 0.25 * self.size
        canvas.line((-0.28 + press, -0.02 + jolt), (-0.06 + press, -0.02 + jolt), body, width=0.15 * size)
        canvas.line(
            (-0.28 + press, 0.02 + jolt), (-0.30 + press, 0.14 + jolt), mix(body, (0, 0, 0), 0.4), width=0.075
        )
        canvas.line((-0.06 + press, -0.02 + jolt), (0.10 + press, -0.02 + jolt), (180, 184, 190), width=0.045)
        canvas.circle((-0.16 + press, -0.02 + jolt), 0.045, mix((60, 60, 60), (255, 230, 90), 1.5 * power))
        if power > 0.03:
            for index in range(9):
                fall = (time_s * 1.9 + index / 9) % 1.0
                x = 0.06 - 0.42 * fall * (0.3 + 0.7 * abs(math.sin(3.7 * index)))
                canvas.circle(
                    (x, 0.0 - 0.22 * fall + 0.66 * fall**2),
                    0.022 + 0.05 * fall,
                    (228, 220, 206),
                    alpha=0.8 * (1 - 0.6 * fall),
                )

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """The motor's whine, sinking under load, and the grinding of what it bores into."""
        shape = swell(hit.duration_s, attack_s=0.09, release_s=0.16, sample_rate=sample_rate)
        time_s = np.arange(len(shape)) / sample_rate
        pitch = 420 * 2 ** (-0.9 * self.size) * (0.55 + 0.45 * shape) * (1 + 0.01 * np.sin(40 * time_s))
        whine = harmonics(pitch, slope=1.0, count=14, sample_rate=sample_rate)
        band = (700 * self.material.brightness, 5200 * self.material.brightness)
        grind = steady_noise(rng, len(shape), band_hz=band, sample_rate=sample_rate)
        chatter = 0.6 + 0.4 * np.sin(2 * math.pi * 31 * time_s)
        return hit.strength * shape * (0.16 * whine + 0.12 * grind * chatter)
