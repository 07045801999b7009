"""Machines: the stamping press."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.stage.actor import Actor, Box, Hit
from cinefoley.stage.canvas import Canvas, mix
from cinefoley.stage.effects import draw_dust, draw_smoke, draw_sparks
from cinefoley.stage.figure import FLOOR
from cinefoley.stage.synthesis import Sound, filtered_noise, layers, modes

__all__ = ["Press"]


class Press(Actor):
    """A machine stamps: the ram falls, steam hisses out, the belt moves one piece on."""

    kind: ClassVar[str] = "press"
    family: ClassVar[str] = "vehicles"
    target: ClassVar[Box] = (-0.28, -0.42, 0.28, 0.22)
    contact: ClassVar[Box] = (-0.20, -0.04, 0.20, 0.14)
    materials: ClassVar[tuple[str, ...]] = ("steel", "iron", "bronze")

    def shake(self, time_s: float) -> float:
        """The hall quakes."""
        return 0.012 * self.hits.fade(time_s, 0.25)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw dust around the machine."""
        draw_dust(canvas, 0.0, self.hits.age(time_s), reach=0.9, strength=self.hits.force(time_s))

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw frame, ram, flywheel, belt and steam."""
        lift, age = self.hits.lift(time_s, rest=0.7), self.hits.age(time_s)
        body = mix(self.paint_color, (70, 80, 90), 0.5)
        dark = mix(body, (0, 0, 0), 0.4)
        for side in (-0.36, 0.36):
            canvas.line((side, -0.60), (side, FLOOR - 0.03), body, width=0.12)
        canvas.line((-0.40, -0.58), (0.40, -0.58), body, width=0.16)
        turn = 2.2 * self.hits.count(time_s) + 2.2 * min(1.0, age / 0.5)
        canvas.circle((0.50, -0.50), 0.17, dark)
        spoke = (0.50 + 0.14 * math.cos(turn), -0.50 + 0.14 * math.sin(turn))
        canvas.line((0.50, -0.50), spoke, (240, 220, 120), width=0.045)
        canvas.line((-1.2, 0.16), (1.2, 0.16), dark, width=0.09)
        step = self.hits.count(time_s) - 1 + min(1.0, age / 0.4) if self.hits.count(time_s) else 0.0
        for place in range(-4, 5):
            x = 0.34 * (place + step % 1.0)
            flat = 0.045 if x > 0.1 else 0.075
            canvas.line((x - 0.07, 0.11 - flat / 2), (x + 0.07, 0.11 - flat / 2), (220, 150, 60), width=flat)
        for leg in (-0.9, 0.9):
            canvas.line((leg, 0.2), (leg, FLOOR), dark, width=0.05)
        low = 0.02 - 0.34 * lift * (0.75 + 0.25 * self.hits.force(time_s))
        canvas.line((0, -0.55), (0, low - 0.1), (200, 204, 210), width=0.09)
        wide = 0.15 + 0.08 * self.size
        canvas.polygon([(-wide, low - 0.16), (wide, low - 0.16), (wide, low), (-wide, low)], self.color)
        canvas.circle((-0.36, -0.30), 0.045, (255, 80, 50) if lift < 0.25 else (80, 210, 90))
        if age < 0.9:
            for side in (-1, 1):
                draw_smoke(canvas, (side * 0.22, 0.05), age, drift=(side * 0.5, -0.12))
            draw_sparks(canvas, (0.0, 0.08), age, reach=0.5, count=6)

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """A heavy clank over a thud, and a hiss of air."""
        pitch = 380 * 2 ** (-1.0 * self.size)
        decay, bright = 0.4 * self.material.decay, hit.strength * self.material.brightness
        clank = modes(
            [pitch, 1.47 * pitch, 2.09 * pitch, 3.4 * pitch, 5.3 * pitch],
            [decay, 0.9 * decay, 0.7 * decay, 0.5 * decay, 0.35 * decay],
            [0.7, 0.6, 0.6, 0.4 * bright, 0.35 * bright],
            sample_rate=sample_rate,
        )
        thud = modes([58.0, 97.0], [0.3, 0.2], [1.3, 0.7], sample_rate=sample_rate)
        hit_noise = filtered_noise(rng, band_hz=(300, 6000), decay_s=0.09, sample_rate=sample_rate)
        hiss = filtered_noise(rng, band_hz=(3000, 7000), decay_s=0.4, sample_rate=sample_rate, attack_s=0.06)
        return hit.strength * 0.36 * layers(clank, thud, 0.5 * hit_noise, 0.10 * hiss)
