"""What people sound with their feet and arms: footsteps, a shot."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.stage.actor import Actor, Box, Hit
from cinefoley.stage.canvas import Canvas, Color, mix
from cinefoley.stage.effects import draw_dust, draw_smoke
from cinefoley.stage.figure import FLOOR, draw_figure
from cinefoley.stage.synthesis import Sound, filtered_noise, layers, modes

__all__ = ["Footsteps", "Gun"]

_SHOE: Color = (30, 26, 26)


class Footsteps(Actor):
    """A walker steps on the spot; each foot lands in turn and raises dust; the ground is heard."""

    kind: ClassVar[str] = "footsteps"
    family: ClassVar[str] = "tools"
    target: ClassVar[Box] = (-0.26, 0.12, 0.26, 0.50)
    contact: ClassVar[Box] = (-0.22, 0.34, 0.22, 0.50)
    materials: ClassVar[tuple[str, ...]] = ("wood", "stone", "iron", "leather")

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the plate that is walked on, and dust at the last foot."""
        canvas.disc((0.0, FLOOR + 0.02), 0.42, self.color)
        side = -1 if self.hits.count(time_s) % 2 else 1
        draw_dust(canvas, 0.11 * side, self.hits.age(time_s), reach=0.5, strength=self.hits.force(time_s))

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw the walker with the next foot lifted, arms in counter-swing."""
        lift = self.hits.swing(time_s, rest=0.25)
        side = 1 if int(np.searchsorted(self.hits.times, time_s, side="left")) % 2 else -1
        bob = 0.05 * lift
        tall = 0.9 + 0.2 * self.size
        hips, shoulder = (0.0, -0.02 - bob), (0.02 * lift, -0.02 - bob - 0.35 * tall)
        dark, coat = self.look.trousers, self.look.cloth
        for foot in (-1, 1):
            swing = 0.30 * (lift if foot == -side else -0.4 * lift)
            elbow = (foot * 0.20, shoulder[1] + 0.16)
            canvas.line((foot * 0.11, shoulder[1] + 0.04), elbow, coat, width=0.075)
            canvas.line(elbow, (foot * 0.20 + 0.12, shoulder[1] + 0.26 - swing), self.look.skin, width=0.06)
        for foot in (-1, 1):
            up = 0.30 * lift if foot == side else 0.0
            ankle = (foot * 0.11, FLOOR - 0.03 - up)
            knee = (foot * 0.10 + 0.20 * up, (hips[1] + ankle[1]) / 2 - 0.3 * up)
            canvas.line(hips, knee, dark, width=0.10)
            canvas.line(knee, ankle, mix(dark, (0, 0, 0), 0.2), width=0.085)
            canvas.ellipse((ankle[0] + 0.03, ankle[1] + 0.015), (0.085, 0.036), _SHOE)
        canvas.line(hips, shoulder, coat, width=0.20)
        head = (shoulder[0], shoulder[1] - 0.17)
        canvas.circle(head, 0.09, self.look.skin)
        canvas.ellipse((head[0], head[1] - 0.045), (0.088, 0.055), self.look.hair)

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Heel thump and the scrape of the sole; heavy walkers sound low, metal plates ring."""
        pitch = 190 * 2 ** (-1.0 * self.size)
        decay, bright = 0.13 * (0.3 + self.material.decay), hit.strength * self.material.brightness
        heel = modes(
            [0.6 * pitch, pitch, 2.9 * pitch, 5.3 * pitch],
            [1.1 * decay, decay, 1.6 * decay * self.material.decay, 1.4 * decay * self.material.decay],
            [1, 0.6, 0.35 * bright, 0.25 * bright],
            sample_rate=sample_rate,
        )
        low = 500 + 900 * self.material.brightness * (1 - 0.5 * self.size)
        scrape = filtered_noise(rng, band_hz=(low, 5500), decay_s=0.10, sample_rate=sample_rate)
        return hit.strength * 0.42 * layers(heel, 0.45 * bright * scrape)


class Gun(Actor):
    """A shooter fires: a flash lights everything, recoil throws the arm up, smoke drifts away."""

    kind: ClassVar[str] = "gun"
    family: ClassVar[str] = "tools"
    target: ClassVar[Box] = (-0.26, -0.18, 0.22, 0.14)
    contact: ClassVar[Box] = (-0.06, -0.14, 0.20, 0.08)
    materials: ClassVar[tuple[str, ...]] = ("iron", "steel", "darkwood")

    def flash(self, time_s: float) -> float:
        """The muzzle's flash."""
        return min(1.0, 1.1 * self.hits.fade(time_s, 0.28))

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw dust blown up by the blast."""
        draw_dust(canvas, 0.1, self.hits.age(time_s), reach=0.7, strength=self.hits.force(time_s))

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw shooter, arm thrown up by the recoil, flash and smoke."""
        age = self.hits.age(time_s)
        kick = math.exp(-age / 0.28) * self.hits.force(time_s) if age < 3 else 0.0
        wait = self.hits.wait(time_s)
        aim = min(1.0, max(0.0, (0.6 - wait) / 0.5))
        rise = -0.34 * kick + 0.22 * (1 - aim) * (1 - kick)
        hand = (-0.14 - 0.10 * kick, 0.02 + rise)
        draw_figure(canvas, (-0.54, 0.10), self.look, hand=hand, other_hand=hand, lean=0.7 - 1.4 * kick)
        muzzle = (hand[0] + 0.20, hand[1] - 0.06 - 0.14 * kick)
        metal, thick = mix((40, 42, 48), self.color, 0.3), 0.055 + 0.03 * self.size
        canvas.line((hand[0] - 0.05, hand[1] - 0.04), muzzle, metal, width=thick)
        canvas.line(hand, (hand[0], hand[1] + 0.06), (70, 50, 40), width=0.055)
        if age < 0.14:
            for index in range(8):
                angle = index * math.pi / 4
                tip = (0.14 + 0.22 * math.cos(angle), -0.04 + 0.18 * math.sin(angle))
                canvas.line((0.12, -0.04), tip, (255, 228, 120), width=0.055)
            canvas.circle((0.12, -0.04), 0.10, (255, 252, 226))
        if age < 1.0:
            draw_smoke(canvas, (0.16, -0.08), age, drift=(0.5, -0.3), lasts_s=1.0)
            spent = (-0.12 - 0.5 * age, 0.0 - 1.3 * age + 2.4 * age**2)
            canvas.circle(spent, 0.028, (226, 190, 90))

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """A broad-band blast over a low thud, with a longer tail."""
        low = 60 + 60 * (1 - self.size)
        top = 6600 * 2 ** (-0.9 * self.size) * (0.6 + 0.4 * self.material.brightness)
        blast = filtered_noise(
            rng, band_hz=(150, top), decay_s=0.18, sample_rate=sample_rate, attack_s=0.0005
        )
        tail = filtered_noise(rng, band_hz=(100, 0.2 * top), decay_s=0.6, sample_rate=sample_rate)
        thud = modes([low], [0.25], [1.5], sample_rate=sample_rate)
        return hit.strength * 0.22 * layers(tail, 2.2 * blast, thud)
