"""Weather: gusts in a tree."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.stage.actor import Actor, Box, Hit
from cinefoley.stage.canvas import Canvas, mix
from cinefoley.stage.figure import FLOOR, draw_figure
from cinefoley.stage.rhythm import Hits, draw_spells
from cinefoley.stage.synthesis import Sound, steady_noise, swell

__all__ = ["Wind"]


class Wind(Actor):
    """Gusts bend a tree; leaves fly, grass and somebody's scarf stream."""

    kind: ClassVar[str] = "wind"
    family: ClassVar[str] = "water"
    is_onset_like: ClassVar[bool] = False
    target: ClassVar[Box] = (-0.34, -0.52, 0.40, 0.00)
    contact: ClassVar[Box] = (-0.28, -0.48, 0.34, -0.06)
    materials: ClassVar[tuple[str, ...]] = ("wood", "darkwood")

    @classmethod
    def draw_hits(cls, rng: np.random.Generator, duration_s: float) -> Hits:
        """Draw the gusts."""
        return draw_spells(rng, duration_s)

    def _gust(self, time_s: float) -> float:
        return self.hits.activity(time_s, attack_s=0.2, release_s=0.3)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw grass lying down under the gust."""
        gust = self._gust(time_s)
        grass = mix((86, 140, 60), self.paint_color, 0.25)
        for index in range(-9, 10):
            x = 0.14 * index
            bend = 0.14 * gust + 0.02 * gust * math.sin(11 * time_s + index)
            canvas.line((x, FLOOR + 0.03), (x + bend, FLOOR - 0.11 + 0.45 * bend), grass, width=0.022)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw trunk, crown bent by the wind, flying leaves and a walker whose scarf streams."""
        gust = self._gust(time_s)
        bend = 0.30 * gust + 0.035 * gust * math.sin(9.0 * time_s)
        trunk, wide = mix((96, 68, 46), self.color, 0.3), 0.9 + 0.35 * self.size
        canvas.path([(0.0, FLOOR), (0.01 + 0.12 * bend, 0.10), (0.4 * bend, -0.16)], trunk, width=0.07 * wide)
        leaf = mix((70, 128, 54), self.paint_color, 0.4)
        for index, (x, y, r) in enumerate(
            (
                (-0.15, -0.16, 0.14),
                (0.15, -0.14, 0.14),
                (0.0, -0.30, 0.17),
                (-0.12, -0.34, 0.12),
                (0.13, -0.36, 0.12),
            )
        ):
            lean = bend * (0.6 - y)
            shade = mix(leaf, (255, 255, 230) if index % 2 else (0, 0, 0), 0.14)
            canvas.ellipse(
                (wide * x + lean, y + 0.25 * bend), (wide * r, wide * r * (1 - 0.35 * gust)), shade
            )
        draw_figure(canvas, (-0.62, 0.10), self.look, hand=(-0.55, -0.28), lean=-1.6 * gust, nod=gust)
        for step in range(4):
            x0, x1 = -0.60 + 0.12 * step, -0.48 + 0.12 * step
            sag = 0.30 * (1 - min(1.0, 1.6 * gust))
            y0 = -0.20 + sag * step * 0.33 + 0.03 * gust * math.sin(13 * time_s + step)
            y1 = -0.20 + sag * (step + 1) * 0.33 + 0.03 * gust * math.sin(13 * time_s + step + 1)
            x1 = x1 - 0.09 * (1 - min(1.0, 1.6 * gust)) * (step + 1)
            x0 = x0 - 0.09 * (1 - min(1.0, 1.6 * gust)) * step
            canvas.line((x0, y0), (x1, y1), (204, 44, 60), width=0.06)
        if gust > 0.05:
            for index in range(9):
                way = (time_s * 1.3 + index / 9) % 1.0
                x, y = -1.0 + 2.3 * way, -0.5 + 0.10 * index + 0.08 * math.sin(9 * way + index)
                canvas.ellipse((x, y), (0.04, 0.022), mix(leaf, (230, 160, 60), (index % 3) / 2))

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Noise whose band rises and falls with the gust, and rustling leaves."""
        shape = swell(hit.duration_s, attack_s=0.25, release_s=0.35, sample_rate=sample_rate)
        base = 420 * 2 ** (-0.9 * self.size)
        low = steady_noise(rng, len(shape), band_hz=(0.4 * base, base), sample_rate=sample_rate)
        high = steady_noise(rng, len(shape), band_hz=(1.1 * base, 2.2 * base), sample_rate=sample_rate)
        rustle = steady_noise(rng, len(shape), band_hz=(2500, 6500), sample_rate=sample_rate)
        flutter = 1 + 0.35 * steady_noise(rng, len(shape), band_hz=(2, 9), sample_rate=sample_rate)
        mixed = 0.20 * low + 0.14 * hit.strength * shape * high
        return (
            hit.strength
            * shape
            * (mixed + 0.035 * self.material.brightness * rustle * np.clip(flutter, 0, 2))
        )
