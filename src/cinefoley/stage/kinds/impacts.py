"""Balls and impacts: bouncing ball, racket, punching bag, door."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.stage.actor import Actor, Box, Hit
from cinefoley.stage.canvas import Canvas, Color, Point, mix
from cinefoley.stage.effects import draw_dust, draw_speed_lines
from cinefoley.stage.figure import FLOOR, draw_figure
from cinefoley.stage.synthesis import Sound, filtered_noise, layers, modes

__all__ = ["Ball", "Door", "Punch", "Racket"]


class Ball(Actor):
    """A ball bounces beside somebody who follows it: parabolas from impact to impact, a shadow below."""

    kind: ClassVar[str] = "ball"
    family: ClassVar[str] = "impacts"
    target: ClassVar[Box] = (-0.14, -0.32, 0.14, FLOOR)
    contact: ClassVar[Box] = (-0.14, 0.30, 0.14, 0.49)
    materials: ClassVar[tuple[str, ...]] = ("rubber", "leather", "plastic")

    @property
    def _radius(self) -> float:
        return 0.125 + 0.045 * self.size

    def _height(self, time_s: float) -> float:
        wait, age = self.hits.wait(time_s), self.hits.age(time_s)
        if math.isinf(wait) and math.isinf(age):
            return 0.0  # a silent clip: it lies on the floor
        if math.isinf(age):
            return min(0.6, 3.0 * wait**2)  # let go from a hand above
        flight = wait + age if not math.isinf(wait) else 0.7
        if age >= flight:
            return 0.0
        top = min(0.6, 0.75 * flight**2 + 0.14) * (0.6 + 0.4 * self.hits.force(time_s))
        return 4 * age / flight * (1 - age / flight) * top

    def target_box(self, time_s: float) -> Box:
        """Around the ball."""
        y, r = FLOOR - self._height(time_s), self._radius
        return (-r, y - 2 * r, r, y)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the ball's own shadow and the dust of its last impact."""
        height = self._height(time_s)
        canvas.disc((0, FLOOR), self._radius * (1.3 - height), (24, 22, 22), alpha=0.8 - 0.7 * height)
        draw_dust(canvas, 0.0, self.hits.age(time_s), reach=0.62, strength=self.hits.force(time_s))

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw the player's hand following the ball, and the ball, flattened where it lands."""
        height, radius = self._height(time_s), self._radius
        reach = FLOOR - height - 2.1 * radius
        hand = (-0.16, min(max(-0.30, reach - 0.05), 0.05))
        draw_figure(canvas, (-0.50, 0.08), self.look, hand=hand, lean=0.9 - 1.2 * height, nod=0.5 - height)
        squash = 1.0 - 0.3 * max(0.0, 1 - height / 0.05) * (self.hits.age(time_s) < 0.08)
        center = (0.0, FLOOR - radius * squash - height)
        canvas.ellipse(center, (radius / math.sqrt(squash), radius * squash), self.color)
        canvas.line(
            (center[0] - 0.9 * radius, center[1]),
            (center[0] + 0.9 * radius, center[1]),
            mix(self.color, (0, 0, 0), 0.5),
            width=0.022,
        )
        canvas.circle((center[0] - 0.35 * radius, center[1] - 0.4 * radius), 0.25 * radius, (250, 250, 250))

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """The air inside (two low modes) and the slap of the skin."""
        pitch = 165 * 2 ** (-1.0 * self.size)
        decay, bright = 0.32 * (0.4 + self.material.decay), hit.strength * (0.4 + self.material.brightness)
        thump = modes(
            [pitch, 2.1 * pitch, 9.5 * pitch],
            [decay, 0.7 * decay, 0.4 * decay],
            [1, 0.5, 0.22 * bright],
            sample_rate=sample_rate,
        )
        slap = filtered_noise(rng, band_hz=(700, 3000), decay_s=0.05, sample_rate=sample_rate)
        return hit.strength * 0.6 * layers(thump, 0.3 * bright * slap)


class Racket(Actor):
    """A player hits a ball that comes flying and goes back where it came from."""

    kind: ClassVar[str] = "racket"
    family: ClassVar[str] = "impacts"
    target: ClassVar[Box] = (-0.24, -0.24, 0.24, 0.22)
    contact: ClassVar[Box] = (-0.10, -0.14, 0.12, 0.12)
    materials: ClassVar[tuple[str, ...]] = ("wood", "plastic", "steel")

    def _ball(self, time_s: float) -> Point | None:
        wait, age = self.hits.wait(time_s), self.hits.age(time_s)
        away = min(wait, age, 0.9) if not math.isinf(min(wait, age)) else math.inf
        if away > 0.8:
            return None
        return (0.05 + 1.7 * away, -0.02 - 1.1 * away * (0.75 - away))

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw player, racket and ball."""
        age, lift = self.hits.age(time_s), self.hits.swing(time_s, rest=0.5)
        through = self.hits.fade(time_s, 0.45) * min(1.0, age / 0.1)
        angle = 2.1 * lift - 0.9 * through
        hand = (-0.26 - 0.18 * lift + 0.10 * through, 0.10 - 0.10 * lift - 0.08 * through)
        lean = 1.5 - 1.8 * lift + 0.5 * through
        draw_figure(canvas, (-0.56, 0.09), self.look, hand=hand, lean=lean)
        head = (hand[0] + 0.29 * math.cos(angle), hand[1] - 0.10 - 0.29 * math.sin(angle) * 0.8)
        canvas.line(hand, head, (60, 50, 46), width=0.04)
        radius = 0.13 + 0.04 * self.size
        jolt = mix((236, 236, 228), (255, 220, 90), math.exp(-age / 0.15))
        canvas.ellipse(head, (0.75 * radius, radius), jolt, alpha=0.9)
        canvas.ellipse(head, (0.75 * radius, radius), self.color, width=0.035)
        ball = self._ball(time_s)
        if ball is not None:
            canvas.circle(ball, 0.052, (224, 240, 70))
        draw_speed_lines(canvas, (0.04, -0.02), age, inner=0.14, outer=0.34)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the ball's shadow racing over the ground and the dust of the player's step."""
        ball = self._ball(time_s)
        if ball is not None:
            canvas.disc((ball[0], FLOOR), 0.09, (20, 20, 22), alpha=0.7)
        draw_dust(canvas, -0.45, self.hits.age(time_s), reach=0.45, strength=self.hits.force(time_s))

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Strings like a small drum, frame like a bar, and the ball's slap."""
        pitch = 520 * 2 ** (-0.9 * self.size)
        decay, bright = 0.16 * (0.3 + self.material.decay), hit.strength * self.material.brightness
        pock = modes(
            [pitch, 1.7 * pitch, 2.9 * pitch, 5.1 * pitch],
            [decay, 0.8 * decay, 0.6 * decay, 0.4 * decay],
            [1, 0.6, 0.4 * bright, 0.3 * bright],
            sample_rate=sample_rate,
        )
        slap = filtered_noise(rng, band_hz=(1200, 6500), decay_s=0.045, sample_rate=sample_rate)
        return hit.strength * 0.5 * layers(pock, 0.35 * bright * slap)


class Punch(Actor):
    """A boxer hits a hanging bag; it swings on its chain."""

    kind: ClassVar[str] = "punch"
    family: ClassVar[str] = "impacts"
    target: ClassVar[Box] = (-0.10, -0.36, 0.38, 0.34)
    contact: ClassVar[Box] = (-0.10, -0.20, 0.14, 0.04)
    materials: ClassVar[tuple[str, ...]] = ("leather", "rubber", "plastic")

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw boxer, gloves, chain and bag."""
        age, lift = self.hits.age(time_s), self.hits.swing(time_s, rest=0.65)
        decay = 0.34 * self.hits.force(time_s) * math.exp(-age / 0.5)
        swing = decay * math.sin(2 * math.pi * 1.3 * age) if age < 4 else 0.0
        canvas.line((-0.2, -0.80), (0.5, -0.80), (80, 76, 74), width=0.06)
        top, length = (0.14, -0.80), 0.48
        sin, cos = math.sin(swing), math.cos(swing)
        neck = (top[0] + length * sin, top[1] + length * cos)
        foot = (top[0] + (length + 0.58) * sin, top[1] + (length + 0.58) * cos)
        canvas.line(top, neck, (190, 190, 196), width=0.03)
        width = 0.20 + 0.09 * self.size
        canvas.line(neck, foot, self.color, width=width)
        band = mix(self.color, (255, 255, 255), 0.55)
        canvas.line(
            (neck[0] * 0.6 + foot[0] * 0.4 - 0.45 * width, neck[1] * 0.6 + foot[1] * 0.4),
            (neck[0] * 0.6 + foot[0] * 0.4 + 0.45 * width, neck[1] * 0.6 + foot[1] * 0.4),
            band,
            width=0.05,
        )
        hand = (-0.02 - 0.34 * lift, -0.08 + 0.05 * lift)
        lean = 1.9 - 1.9 * lift
        draw_figure(canvas, (-0.54, 0.09), self.look, hand=hand, other_hand=(-0.34, -0.18), lean=lean)
        for glove in (hand, (-0.34, -0.18)):
            canvas.circle(glove, 0.07, (198, 36, 40))
        draw_speed_lines(canvas, (0.02, -0.08), age, inner=0.10, outer=0.30)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the dust of the boxer's step."""
        draw_dust(canvas, -0.42, self.hits.age(time_s), reach=0.5, strength=self.hits.force(time_s))

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """A dull thud, the smack of leather, a rattle of the chain."""
        pitch = 105 * 2 ** (-0.8 * self.size)
        bright = hit.strength * self.material.brightness
        thud = modes([pitch, 1.8 * pitch], [0.16, 0.1], [1, 0.5], sample_rate=sample_rate, glide=0.8)
        smack = filtered_noise(rng, band_hz=(350, 2200), decay_s=0.09, sample_rate=sample_rate)
        chain = filtered_noise(
            rng, band_hz=(3500, 7000), decay_s=0.16, sample_rate=sample_rate, attack_s=0.01
        )
        return hit.strength * 0.55 * layers(thud, 0.55 * bright * smack, 0.06 * chain)


class Door(Actor):
    """A door swings and slams; the light that fell through it goes out on the floor."""

    kind: ClassVar[str] = "door"
    family: ClassVar[str] = "impacts"
    target: ClassVar[Box] = (-0.04, -0.56, 0.50, FLOOR)
    contact: ClassVar[Box] = (-0.10, -0.30, 0.10, 0.20)
    materials: ClassVar[tuple[str, ...]] = ("wood", "darkwood", "iron", "plastic")
    _WARM: ClassVar[Color] = (255, 236, 176)

    def _gap(self, time_s: float) -> float:
        """How far the door stands open, in [0, 1]: it opens slowly, and falls shut in a quarter second."""
        wait, age = self.hits.wait(time_s), self.hits.age(time_s)
        if math.isinf(wait):
            return 0.0 if not math.isinf(age) else 0.35
        opened = min(1.0, age / 0.45) if not math.isinf(age) else 1.0
        opened *= 0.6 + 0.4 * self.hits.force(time_s)
        return opened * min(1.0, wait / 0.25)

    def shake(self, time_s: float) -> float:
        """The house quakes a little."""
        return 0.008 * self.hits.fade(time_s, 0.2)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the wedge of light on the floor, and dust that the slam blows out."""
        gap = self._gap(time_s)
        if gap > 0.02:
            far = 0.35 + 0.75 * gap
            wedge = [
                (0.0, FLOOR - 0.02),
                (0.44 * gap, FLOOR - 0.02),
                (0.3 + far * gap, FLOOR + 0.5),
                (-far, FLOOR + 0.5),
            ]
            canvas.polygon(wedge, self._WARM, alpha=0.55)
        draw_dust(canvas, 0.05, self.hits.age(time_s), reach=0.75, strength=self.hits.force(time_s))

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw frame, lit room behind, the door's leaf, and somebody who lets go of it."""
        gap, age = self._gap(time_s), self.hits.age(time_s)
        jamb = mix(self.color, (255, 255, 255), 0.45)
        canvas.polygon([(-0.06, -0.60), (0.52, -0.60), (0.52, FLOOR), (-0.06, FLOOR)], jamb)
        canvas.polygon([(0.0, -0.55), (0.46, -0.55), (0.46, FLOOR), (0.0, FLOOR)], self._WARM)
        edge, swing = 0.46 - 0.46 * math.cos(1.35 * gap), 0.16 * math.sin(1.35 * gap)
        leaf = [(edge, -0.55 - swing), (0.46, -0.55), (0.46, FLOOR), (edge, FLOOR + 0.6 * swing)]
        canvas.polygon(leaf, self.color)
        panel = mix(self.color, (0, 0, 0), 0.3)
        width = 0.46 - edge
        for top, bottom in ((-0.46, -0.12), (-0.02, 0.34)):
            canvas.polygon(
                [
                    (edge + 0.2 * width, top),
                    (edge + 0.8 * width, top),
                    (edge + 0.8 * width, bottom),
                    (edge + 0.2 * width, bottom),
                ],
                panel,
            )
        canvas.circle((edge + 0.12 * width + 0.02, -0.05), 0.03, (226, 196, 96))
        reach = self.hits.swing(time_s, rest=0.5)
        hand = (edge - 0.06 - 0.16 * (1 - gap) * min(1.0, age / 0.2), -0.08 - 0.1 * reach)
        draw_figure(
            canvas, (-0.44, 0.08), self.look, hand=hand, lean=0.6 * gap - 0.6 * self.hits.fade(time_s, 0.5)
        )
        draw_speed_lines(canvas, (0.0, -0.05), age, inner=0.12, outer=0.4)

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """A low boom of the leaf, the latch's click, a rattle."""
        pitch = 120 * 2 ** (-0.9 * self.size)
        decay, bright = 0.28 * (0.4 + self.material.decay), hit.strength * self.material.brightness
        boom = modes(
            [pitch, 1.6 * pitch, 2.7 * pitch, 6.3 * pitch],
            [decay, 0.8 * decay, 0.6 * decay, 0.4 * decay],
            [1, 0.7, 0.5, 0.35 * bright],
            sample_rate=sample_rate,
        )
        latch = filtered_noise(rng, band_hz=(1500, 6000), decay_s=0.06, sample_rate=sample_rate)
        rattle = filtered_noise(rng, band_hz=(250, 1500), decay_s=0.22, sample_rate=sample_rate)
        return hit.strength * 0.42 * layers(boom, 0.35 * bright * latch, 0.4 * rattle)
