"""Animals: barking dog, calling bird."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.stage.actor import Actor, Box, Hit
from cinefoley.stage.canvas import Canvas, Color, mix
from cinefoley.stage.effects import draw_dust
from cinefoley.stage.figure import FLOOR, draw_figure
from cinefoley.stage.synthesis import Sound, filtered_noise, formants, harmonics, layers, swell

__all__ = ["Bird", "Dog"]

_MOUTH: Color = (176, 40, 52)


class Dog(Actor):
    """A dog barks: it jerks its head up, opens its mouth and hops; the tail wags meanwhile."""

    kind: ClassVar[str] = "dog"
    family: ClassVar[str] = "water"
    target: ClassVar[Box] = (-0.50, -0.20, 0.30, FLOOR)
    contact: ClassVar[Box] = (0.02, -0.16, 0.30, 0.12)
    materials: ClassVar[tuple[str, ...]] = ("wood", "darkwood", "stone", "leather")

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw dust under the paws."""
        draw_dust(canvas, -0.1, self.hits.age(time_s), reach=0.55, strength=self.hits.force(time_s))

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw the dog and its keeper, who is pulled on the leash."""
        age, wait = self.hits.age(time_s), self.hits.wait(time_s)
        force = self.hits.force(time_s)
        crouch = max(0.0, 1 - wait / 0.25) if wait < 0.25 else 0.0
        jerk = math.exp(-age / 0.16) * force if age < 2 else 0.0
        hop = 0.10 * jerk - 0.06 * crouch
        mouth = 0.16 * force * max(0.0, 1 - age / 0.30)
        draw_figure(
            canvas, (-0.80, 0.08), self.look, hand=(-0.62 + 0.08 * jerk, -0.02), lean=0.4 + 1.2 * jerk
        )
        fur = mix(self.color, (40, 32, 26), 0.2)
        size = 0.85 + 0.3 * self.size
        canvas.line((-0.62 + 0.08 * jerk, -0.02), (0.0, 0.02 - hop), (60, 50, 50), width=0.02)
        for x in (-0.34, -0.24, -0.06, 0.02):
            top = 0.22 - (hop if x > -0.15 else 0.3 * hop)
            canvas.line(
                (x * size, top),
                (x * size + 0.02, FLOOR - 0.02 - max(0.0, hop) * (x > -0.15)),
                mix(fur, (0, 0, 0), 0.2),
                width=0.065 * size,
            )
        canvas.line((-0.30 * size, 0.18 - 0.3 * hop), (0.0, 0.14 - hop), fur, width=0.20 * size)
        wag = 0.10 * math.sin(9.0 * time_s) * (1 if math.isfinite(wait) or math.isfinite(age) else 0)
        canvas.line((-0.38 * size, 0.12), (-0.50 * size, -0.08 + wag), fur, width=0.05)
        head = (0.08 * size, -0.02 - 0.9 * hop - 0.03 * jerk)
        canvas.line((0.0, 0.10 - hop), head, fur, width=0.13 * size)
        canvas.circle(head, 0.11 * size, fur)
        nose = (head[0] + 0.19 * size, head[1] + 0.01 - 0.5 * mouth)
        jaw = (head[0] + 0.16 * size, head[1] + 0.06 + 0.9 * mouth)
        if mouth > 0.01:
            canvas.polygon([(head[0] + 0.03, head[1]), nose, jaw], _MOUTH)
        canvas.line((head[0], head[1] + 0.02), jaw, mix(fur, (0, 0, 0), 0.15), width=0.055)
        canvas.line(head, nose, fur, width=0.085 * size)
        canvas.circle(nose, 0.03, (20, 18, 20))
        canvas.polygon(
            [
                (head[0] - 0.09, head[1] - 0.07),
                (head[0] - 0.01, head[1] - 0.10),
                (head[0] - 0.12, head[1] - 0.2 - 0.06 * jerk),
            ],
            mix(fur, (0, 0, 0), 0.35),
        )
        canvas.circle((head[0] + 0.05, head[1] - 0.04), 0.02, (16, 14, 16))
        if age < 0.35:
            for arc in (0.0, 0.1):
                radius = 0.10 + 0.9 * max(0.0, age - arc)
                canvas.circle(
                    (nose[0] + 0.05, nose[1]),
                    radius,
                    (255, 255, 255),
                    width=0.018,
                    alpha=0.6 * (1 - age / 0.35),
                )

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """A rough voice that rises and falls, through a throat with two formants."""
        shape = swell(0.10, attack_s=0.012, release_s=0.10, sample_rate=sample_rate)
        time_s = np.arange(len(shape)) / sample_rate
        arc = np.sin(np.pi * np.clip(time_s / 0.2, 0, 1))
        pitch = 620 * 2 ** (-1.5 * self.size) * (0.8 + 0.35 * hit.strength * arc)
        pitch *= 1 + 0.04 * np.sin(2 * math.pi * 70 * time_s)
        voice = harmonics(pitch, slope=0.8, count=24, sample_rate=sample_rate)
        breath = 0.8 * rng.standard_normal(len(shape))
        long = 2 ** (-0.6 * self.size)
        throat = formants(
            voice + breath, (900 * long, 1700 * long, 3200 * long), (220, 300, 500), sample_rate=sample_rate
        )
        return hit.strength * 0.75 * shape * throat


class Bird(Actor):
    """A bird on a post calls: beak open, wings up, the branch rocks."""

    kind: ClassVar[str] = "bird"
    family: ClassVar[str] = "water"
    target: ClassVar[Box] = (-0.32, -0.30, 0.32, 0.18)
    contact: ClassVar[Box] = (0.02, -0.28, 0.30, -0.02)
    materials: ClassVar[tuple[str, ...]] = ("copper", "iron", "plastic", "bronze")

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw feathers' dust on the ground."""
        draw_dust(canvas, 0.0, self.hits.age(time_s), reach=0.5, strength=self.hits.force(time_s))

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw post, branch with leaves, bird, and notes that fly out of its beak."""
        age, wait, force = self.hits.age(time_s), self.hits.wait(time_s), self.hits.force(time_s)
        call = force * max(0.0, 1 - age / 0.40)
        crouch = max(0.0, 1 - wait / 0.25) if wait < 0.25 else 0.0
        rock = 0.05 * math.exp(-age / 0.5) * math.cos(2 * math.pi * 1.6 * age) * force if age < 3 else 0.0
        bark: Color = (104, 76, 50)
        canvas.line((-0.52, -0.40), (-0.52, FLOOR), bark, width=0.10)
        canvas.line((-0.52, 0.14), (0.50, 0.20 + rock), bark, width=0.055)
        for index in range(5):
            x = -0.35 + 0.21 * index
            droop = 0.20 + rock * (index / 4)
            canvas.ellipse((x, droop + 0.08), (0.065, 0.035), (88, 144, 66))
            canvas.ellipse((x - 0.14, droop - 0.12 - 0.06 * index % 3), (0.05, 0.03), (104, 160, 76))
        size = 0.85 + 0.35 * self.size
        y = rock - 0.02 + 0.05 * crouch - 0.06 * call
        feather = self.color
        canvas.line(
            (-0.10 * size, y + 0.02),
            (-0.30 * size, y + 0.14),
            mix(feather, (0, 0, 0), 0.3),
            width=0.09 * size,
        )
        canvas.ellipse((0.0, y), (0.17 * size, 0.135 * size), feather)
        canvas.ellipse((0.04, y + 0.04), (0.11 * size, 0.08 * size), mix(feather, (255, 250, 230), 0.6))
        wing = 0.42 * call
        canvas.polygon(
            [
                (-0.02, y - 0.05),
                (-0.20 * size, y + 0.07 - 0.5 * wing),
                (-0.26 * size - 0.2 * wing, y + 0.03 - 1.1 * wing),
                (0.05, y - 0.07 - 0.25 * wing),
            ],
            mix(feather, (0, 0, 0), 0.4),
        )
        head = (0.13 * size, y - 0.13 * size + 0.03 * crouch)
        canvas.circle(head, 0.085 * size, mix(feather, (255, 255, 255), 0.1))
        gape = 0.11 * call
        base = (head[0] + 0.06 * size, head[1])
        canvas.line(base, (head[0] + 0.19 * size, head[1] - gape), (240, 176, 40), width=0.035)
        canvas.line(base, (head[0] + 0.18 * size, head[1] + 0.015 + gape), (228, 150, 30), width=0.03)
        canvas.circle((head[0] + 0.02, head[1] - 0.02), 0.02, (12, 12, 14))
        if age < 0.6:
            spread = age / 0.6
            for index in range(3):
                note = (0.30 + 0.42 * spread, -0.24 - 0.10 * index - 0.16 * spread)
                canvas.circle(
                    (note[0] + 0.08 * index, note[1]), 0.034, (255, 252, 236), alpha=1 - 0.8 * spread
                )
        draw_figure(
            canvas,
            (0.72, 0.12),
            self.look,
            hand=(0.60, -0.32) if call > 0.2 else (0.66, 0.10),
            lean=-0.6 * call,
            nod=-call,
        )

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """A whistle that slides down and up again, with a hard start."""
        shape = swell(0.16, attack_s=0.008, release_s=0.10, sample_rate=sample_rate)
        time_s = np.arange(len(shape)) / sample_rate
        sweep = 1.25 - 0.5 * np.sin(np.pi * np.clip(time_s / 0.26, 0, 1))
        pitch = 2900 * 2 ** (-1.1 * self.size) * sweep
        whistle = harmonics(pitch, slope=1.9, count=3, sample_rate=sample_rate)
        breath = filtered_noise(rng, band_hz=(2500, 6500), decay_s=0.06, sample_rate=sample_rate)
        return hit.strength * 0.45 * layers(shape * whistle, 0.15 * breath)
