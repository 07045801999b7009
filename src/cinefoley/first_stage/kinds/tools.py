"""Tools, footsteps and shots."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.first_stage.actor import FLOOR, Actor, Box, draw_figure
from cinefoley.first_stage.canvas import Canvas, mix
from cinefoley.first_stage.synthesis import Sound, filtered_noise, modes

__all__ = ["Axe", "Footsteps", "Gun", "Hammer"]


class Hammer(Actor):
    """A smith hits an anvil; sparks fly from the contact."""

    kind: ClassVar[str] = "hammer"
    family: ClassVar[str] = "tools"
    target: ClassVar[Box] = (-0.24, -0.08, 0.34, FLOOR)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw smith, anvil, hammer and flying sparks."""
        lift, age = self.hits.lift(time_s), self.hits.age(time_s)
        hand = (-0.28 - 0.02 * lift, -0.06 - 0.42 * lift)
        draw_figure(canvas, (-0.52, 0.08), cloth=self.cloth, skin=self.skin, hand=hand, lean=1.2 - lift)
        iron = mix((78, 80, 90), self.material, 0.15)
        canvas.polygon([(-0.2, 0), (0.36, 0), (0.2, 0.1), (-0.14, 0.1)], iron)
        canvas.polygon([(-0.06, 0.1), (0.12, 0.1), (0.2, FLOOR), (-0.14, FLOOR)], (105, 75, 48))
        glow = math.exp(-age / 0.5) if age < 4 else 0.0
        canvas.line((-0.08, -0.015), (0.12, -0.015), mix((120, 60, 40), (255, 210, 90), glow), width=0.04)
        if age < 0.6:
            for index in range(7):
                angle = math.pi * (0.12 + 0.76 * index / 6)
                reach = 0.08 + 0.75 * age
                drop = 0.9 * age**2
                spark = (reach * math.cos(angle), -reach * math.sin(angle) + drop)
                canvas.circle(spark, 0.022, mix((255, 235, 120), (200, 70, 20), age / 0.6))
        head = (0.0 - 0.04 * lift, -0.05 - 0.52 * lift)
        canvas.line(hand, head, (130, 90, 50), width=0.03)
        canvas.line((head[0], head[1] - 0.05), (head[0], head[1] + 0.03), (60, 62, 70), width=0.1)

    def sound(self, strength: float, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Modes of a free bar (1, 2.76, 5.40, 8.93): steel rings long and bright."""
        pitch = 900 * 2 ** (-0.8 * self.size)
        ring = modes(
            [pitch * ratio for ratio in (1, 1.51, 2.76, 5.40, 8.93)],
            [0.7, 0.55, 0.6, 0.35, 0.2],
            [0.8, 0.5, 1.0, 0.8 * strength, 0.6 * strength],
            sample_rate=sample_rate,
        )
        return strength * 0.3 * ring


class Axe(Actor):
    """An axe splits wood on a block; chips fly."""

    kind: ClassVar[str] = "axe"
    family: ClassVar[str] = "tools"
    target: ClassVar[Box] = (-0.16, -0.08, 0.16, FLOOR)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw woodcutter, block, axe on its arc and flying chips."""
        lift, age = self.hits.lift(time_s), self.hits.age(time_s)
        angle = 0.15 + 1.75 * lift
        hand = (-0.30 + 0.02 * lift, -0.02 - 0.36 * lift)
        draw_figure(canvas, (-0.58, 0.08), cloth=self.cloth, skin=self.skin, hand=hand, lean=1.6 - 1.4 * lift)
        bark = mix((110, 72, 42), self.material, 0.3)
        canvas.polygon([(-0.15, 0.12), (0.17, 0.12), (0.19, FLOOR), (-0.17, FLOOR)], bark)
        canvas.ellipse((0.01, 0.12), (0.16, 0.04), (214, 180, 130))
        gap = min(1.0, age / 0.5) * 0.07 if age < 1.2 else 0.0
        for side in (-1, 1):
            canvas.line(
                (side * (0.035 + gap), 0.0), (side * (0.04 + gap * 1.6), 0.12), (190, 140, 84), width=0.06
            )
        if age < 0.6:
            for index in range(4):
                way = (-1) ** index * (0.25 + 0.22 * index) * age * 1.6
                canvas.circle((way, -0.05 - 0.7 * age + 1.5 * age**2), 0.024, (230, 200, 150))
        head = (hand[0] + 0.34 * math.cos(angle), hand[1] - 0.34 * math.sin(angle))
        canvas.line(hand, head, (140, 100, 60), width=0.03)
        blade = [
            (head[0] - 0.02, head[1] - 0.07),
            (head[0] + 0.09, head[1] + 0.04),
            (head[0] - 0.05, head[1] + 0.03),
        ]
        canvas.polygon(blade, (190, 195, 205))

    def sound(self, strength: float, rng: np.random.Generator, sample_rate: int) -> Sound:
        """A dull wooden knock and splintering noise."""
        pitch = 330 * 2 ** (-0.7 * self.size)
        knock = modes(
            [pitch, 1.9 * pitch, 3.3 * pitch], [0.12, 0.09, 0.07], [1, 0.7, 0.5], sample_rate=sample_rate
        )
        split = filtered_noise(rng, band_hz=(900, 6500), decay_s=0.14, sample_rate=sample_rate)
        count = max(len(knock), len(split))
        return (
            strength
            * 0.5
            * (np.pad(knock, (0, count - len(knock))) + 0.3 * np.pad(split, (0, count - len(split))))
        )


class Footsteps(Actor):
    """A walker steps on the spot; each foot lands in turn and raises dust."""

    kind: ClassVar[str] = "footsteps"
    family: ClassVar[str] = "tools"
    target: ClassVar[Box] = (-0.2, 0.25, 0.2, 0.5)
    contact: ClassVar[Box] = (-0.16, 0.36, 0.16, 0.5)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw the walker with the next foot lifted, arms in counter-swing, dust at the last foot."""
        lift, age = self.hits.lift(time_s, rest=0.25), self.hits.age(time_s)
        side = 1 if int(np.searchsorted(self.hits.times, time_s, side="left")) % 2 else -1
        bob = 0.03 * lift
        hips, shoulder = (0.0, -0.02 - bob), (0.0, -0.36 - bob)
        dark = mix(self.cloth, (0, 0, 0), 0.45)
        for foot in (-1, 1):
            up = 0.30 * lift if foot == side else 0.0
            ankle = (foot * 0.10, FLOOR - up)
            knee = (foot * 0.09 + 0.12 * up, (hips[1] + ankle[1]) / 2 - 0.3 * up)
            canvas.line(hips, knee, dark, width=0.085)
            canvas.line(knee, ankle, dark, width=0.075)
            canvas.ellipse((ankle[0] + 0.03, ankle[1] + 0.01), (0.075, 0.032), (30, 26, 26))
            swing = 0.28 * (lift if foot == -side else -0.3 * lift)
            canvas.line(
                (foot * 0.1, shoulder[1] + 0.03), (foot * 0.2, -0.08 - swing - bob), self.skin, width=0.055
            )
        canvas.line(hips, shoulder, self.cloth, width=0.2)
        canvas.circle((0.0, shoulder[1] - 0.17), 0.09, self.skin)
        if age < 0.5:
            spread = age / 0.5
            for way in (-1, 1):
                puff = mix((225, 215, 200), (130, 124, 118), spread)
                canvas.ellipse(
                    (-side * 0.10 + way * (0.1 + 0.16 * spread), FLOOR + 0.02), (0.05, 0.025), puff
                )

    def sound(self, strength: float, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Heel thump and the scrape of the sole."""
        heel = modes([95, 210 + 80 * self.size], [0.12, 0.08], [1, 0.4], sample_rate=sample_rate)
        scrape = filtered_noise(
            rng, band_hz=(500 + 1200 * self.size, 5000), decay_s=0.11, sample_rate=sample_rate
        )
        count = max(len(heel), len(scrape))
        return (
            strength
            * 0.4
            * (np.pad(heel, (0, count - len(heel))) + 0.35 * np.pad(scrape, (0, count - len(scrape))))
        )


class Gun(Actor):
    """A shooter fires: flash, recoil, smoke that drifts away."""

    kind: ClassVar[str] = "gun"
    family: ClassVar[str] = "tools"
    target: ClassVar[Box] = (-0.22, -0.12, 0.16, 0.10)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw shooter, arm thrown up by the recoil, flash and smoke."""
        age = self.hits.age(time_s)
        kick = math.exp(-age / 0.28) if age < 3 else 0.0
        aim = min(1.0, max(0.0, (0.6 - self.hits.wait(time_s)) / 0.5))
        rise = -0.30 * kick + 0.20 * (1 - aim) * (1 - kick)
        hand = (-0.12 - 0.08 * kick, 0.02 + rise)
        draw_figure(canvas, (-0.52, 0.10), cloth=self.cloth, skin=self.skin, hand=hand, lean=0.5 - kick)
        muzzle = (hand[0] + 0.17, hand[1] - 0.06 - 0.12 * kick)
        canvas.line((hand[0], hand[1] - 0.03), muzzle, (40, 42, 48), width=0.055)
        canvas.line(hand, (hand[0], hand[1] + 0.05), (70, 50, 40), width=0.05)
        if age < 0.12:
            for index in range(6):
                angle = index * math.pi / 3
                tip = (0.12 + 0.15 * math.cos(angle), -0.04 + 0.12 * math.sin(angle))
                canvas.line((0.1, -0.04), tip, (255, 225, 110), width=0.045)
        if age < 0.9:
            spread = age / 0.9
            smoke = mix((245, 245, 240), (140, 140, 145), spread)
            canvas.circle(
                (0.14 + 0.22 * spread, -0.08 - 0.22 * spread), 0.05 + 0.10 * spread, smoke, width=0.035
            )

    def sound(self, strength: float, rng: np.random.Generator, sample_rate: int) -> Sound:
        """A broad-band blast over a low thud, with a longer tail."""
        blast = filtered_noise(
            rng, band_hz=(150, 7000), decay_s=0.18, sample_rate=sample_rate, attack_s=0.0005
        )
        tail = filtered_noise(rng, band_hz=(100, 1200), decay_s=0.6, sample_rate=sample_rate)
        thud = modes([70 + 40 * (1 - self.size)], [0.25], [1.5], sample_rate=sample_rate)
        tail[: len(blast)] += 2.2 * blast
        tail[: len(thud)] += thud
        return strength * 0.22 * tail
