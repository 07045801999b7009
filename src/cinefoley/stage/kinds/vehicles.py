"""Vehicles: motorcycle, train, car horn."""

import math
from typing import ClassVar

import numpy as np

from cinefoley.stage.actor import Actor, Box, Hit
from cinefoley.stage.canvas import Canvas, Color, mix
from cinefoley.stage.effects import draw_dust, draw_smoke, draw_sparks
from cinefoley.stage.figure import FLOOR, draw_figure
from cinefoley.stage.rhythm import Hits, draw_spells
from cinefoley.stage.synthesis import Sound, filtered_noise, harmonics, layers, modes, steady_noise, swell

__all__ = ["Engine", "Horn", "Train"]

_TYRE: Color = (30, 30, 34)


class Engine(Actor):
    """A motorcycle is revved on the spot: it shakes, the headlight brightens, the exhaust puffs."""

    kind: ClassVar[str] = "engine"
    family: ClassVar[str] = "vehicles"
    is_onset_like: ClassVar[bool] = False
    target: ClassVar[Box] = (-0.52, -0.12, 0.52, FLOOR)
    contact: ClassVar[Box] = (-0.20, 0.04, 0.16, 0.36)
    materials: ClassVar[tuple[str, ...]] = ("steel", "copper", "plastic")

    @classmethod
    def draw_hits(cls, rng: np.random.Generator, duration_s: float) -> Hits:
        """Draw when the engine runs."""
        return draw_spells(rng, duration_s)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the headlight's pool on the ground."""
        power = self.hits.activity(time_s)
        if power > 0.02:
            canvas.disc((1.0, FLOOR), 0.55, (255, 246, 200), alpha=0.6 * power)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw rider, motorcycle, turning wheels and smoke."""
        power = self.hits.activity(time_s)
        jolt = 0.022 * power * math.sin(47.0 * time_s)
        turn = 18.0 * time_s if power > 0.02 else 0.0
        for x in (-0.38, 0.40):
            canvas.circle((x, 0.30), 0.15, _TYRE)
            canvas.circle((x, 0.30), 0.09, (176, 178, 184))
            spoke = (0.09 * math.cos(turn), 0.09 * math.sin(turn))
            canvas.line((x - spoke[0], 0.30 - spoke[1]), (x + spoke[0], 0.30 + spoke[1]), _TYRE, width=0.03)
        draw_figure(
            canvas,
            (-0.16, 0.02 + jolt),
            self.look,
            hand=(0.22, -0.10 + jolt),
            lean=1.2 + power,
            is_seated=True,
        )
        canvas.polygon(
            [
                (-0.42, 0.04 + jolt),
                (-0.1, 0.10 + jolt),
                (0.16, -0.02 + jolt),
                (0.3, 0.08 + jolt),
                (0.1, 0.22 + jolt),
                (-0.3, 0.2 + jolt),
            ],
            self.paint_color,
        )
        canvas.line((0.24, -0.10 + jolt), (0.40, 0.30), (150, 152, 158), width=0.035)
        glow = mix((120, 60, 40), (255, 190, 90), power)
        canvas.circle(
            (-0.02, 0.22 + jolt), 0.10 + 0.03 * self.size, mix(self.material.color, glow, 0.6 * power)
        )
        canvas.line((-0.05, 0.30 + jolt), (-0.56, 0.32 + jolt), (190, 192, 198), width=0.05)
        canvas.circle((0.32, -0.02 + jolt), 0.055, mix((110, 110, 104), (255, 250, 205), power))
        if power > 0.02:
            canvas.polygon(
                [(0.34, -0.04), (1.5, -0.22), (1.5, 0.42), (0.34, 0.02)], (255, 248, 205), alpha=0.45 * power
            )
            for puff in range(3):
                draw_smoke(
                    canvas,
                    (-0.60, 0.32),
                    (time_s * 1.7 + puff / 3) % 1.0 * 0.8,
                    drift=(-0.65, -0.22),
                    lasts_s=0.8,
                )

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Firing pulses whose rate rises with the throttle, through a resonant pipe."""
        shape = swell(hit.duration_s, attack_s=0.12, release_s=0.2, sample_rate=sample_rate)
        time_s = np.arange(len(shape)) / sample_rate
        rate = 95 * 2 ** (-1.1 * self.size) * (0.75 + 0.5 * hit.strength * shape)
        rate *= 1 + 0.02 * np.sin(2 * math.pi * 3.1 * time_s)
        tone = harmonics(rate, slope=1.0 - 0.3 * self.material.brightness, count=22, sample_rate=sample_rate)
        half = harmonics(rate / 2, slope=0.9, count=9, sample_rate=sample_rate)
        low = 420 * 2 ** (-self.size)
        air = steady_noise(rng, len(shape), band_hz=(low, 7 * low), sample_rate=sample_rate)
        pulses = 0.5 + 0.5 * np.clip(np.sin(2 * math.pi * np.cumsum(rate) / sample_rate), 0, 1)
        return hit.strength * shape * (0.16 * tone + 0.14 * half + 0.10 * air * pulses)


class Train(Actor):
    """A train passes; every axle that crosses the joint of the rail knocks."""

    kind: ClassVar[str] = "train"
    family: ClassVar[str] = "vehicles"
    target: ClassVar[Box] = (-0.36, 0.06, 0.36, FLOOR)
    contact: ClassVar[Box] = (-0.14, 0.28, 0.14, 0.48)
    materials: ClassVar[tuple[str, ...]] = ("iron", "steel", "darkwood")
    _WAGON: ClassVar[float] = 0.95

    def _travel(self, time_s: float) -> float:
        """How many axles have passed the joint; whole exactly at the events."""
        count, wait, age = self.hits.count(time_s), self.hits.wait(time_s), self.hits.age(time_s)
        if math.isinf(wait) and math.isinf(age):
            return 0.5  # it stands
        if math.isinf(age):
            return 1 - min(0.6, wait) / 1.2
        if math.isinf(wait):
            return count + min(0.5, age / 1.2)
        return count + (age / (wait + age) if age > 0 else 0.0)

    def shake(self, time_s: float) -> float:
        """The embankment quakes."""
        return 0.007 * self.hits.fade(time_s, 0.2)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw rail, wagons with lit windows, wheels, and sparks at the joint."""
        canvas.line((-2.2, FLOOR - 0.02), (2.2, FLOOR - 0.02), (126, 128, 134), width=0.035)
        canvas.line((0, FLOOR - 0.05), (0, FLOOR + 0.04), (255, 214, 60), width=0.03)
        travel, age = self._travel(time_s), self.hits.age(time_s)
        bump = 0.03 * math.exp(-age / 0.12) * self.hits.force(time_s)
        for place in range(-3, 4):
            x = (place + travel % 1.0) * self._WAGON
            self._paint_wagon(canvas, x, bump if place in {-1, 0} else 0.0, 5 * travel)
        draw_sparks(canvas, (0.0, FLOOR - 0.04), age, reach=0.6, count=7)

    def _paint_wagon(self, canvas: Canvas, x: float, lifted: float, turn: float) -> None:
        left, right, roof, sill = x - 0.45, x + 0.45, -0.46 - lifted, 0.22 - lifted
        body, hub = self.paint_color, (x, FLOOR - 0.03 - self._radius)
        wall = mix(body, self.material.color, 0.3)
        canvas.polygon([(left, roof), (right, roof), (right, sill), (left, sill)], wall)
        canvas.line((left, roof), (right, roof), mix(body, (0, 0, 0), 0.5), width=0.07)
        canvas.line((right, 0.16), (right + 0.08, 0.16), (40, 40, 44), width=0.05)
        canvas.circle(hub, self._radius, _TYRE)
        canvas.casts_shadow = False  # the rest lies inside what is drawn
        stripe = mix(body, (255, 255, 255), 0.6)
        canvas.line((left, sill - 0.08), (right, sill - 0.08), stripe, width=0.04)
        for window in (x - 0.27, x, x + 0.27):
            a, b, top, bottom = window - 0.09, window + 0.09, roof + 0.14, roof + 0.36
            canvas.polygon([(a, top), (b, top), (b, bottom), (a, bottom)], (255, 236, 168))
        canvas.circle(hub, 0.6 * self._radius, self.material.color)
        rim = (0.5 * self._radius * math.cos(turn), 0.5 * self._radius * math.sin(turn))
        canvas.line((hub[0] - rim[0], hub[1] - rim[1]), (hub[0] + rim[0], hub[1] + rim[1]), _TYRE, width=0.03)
        canvas.casts_shadow = True

    @property
    def _radius(self) -> float:
        return 0.11 + 0.03 * self.size

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw sleepers, and dust blown off the track."""
        for x in range(-6, 7):
            canvas.line(
                (0.3 * x - 0.07, FLOOR + 0.03), (0.3 * x + 0.07, FLOOR + 0.03), (84, 66, 50), width=0.05
            )
        draw_dust(canvas, 0.0, self.hits.age(time_s), reach=0.9, strength=self.hits.force(time_s))

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """The knock of the axle, a ring of the rail, and a rumble that dies away."""
        pitch = 260 * 2 ** (-0.8 * self.size)
        decay, bright = 0.3 * self.material.decay, hit.strength * self.material.brightness
        knock = modes(
            [70.0, pitch, 2.3 * pitch, 5.9 * pitch, 9.1 * pitch],
            [0.25, 0.6 * decay, decay, 1.2 * decay, decay],
            [1.0, 0.8, 0.5, 0.3 * bright, 0.25 * bright],
            sample_rate=sample_rate,
        )
        rumble = filtered_noise(rng, band_hz=(60, 420), decay_s=0.5, sample_rate=sample_rate)
        click = filtered_noise(rng, band_hz=(800, 5000), decay_s=0.05, sample_rate=sample_rate)
        return hit.strength * 0.36 * layers(knock, 0.35 * rumble, 0.5 * bright * click)


class Horn(Actor):
    """A car hoots: its headlights flash, it bobs, the driver leans on the wheel."""

    kind: ClassVar[str] = "horn"
    family: ClassVar[str] = "vehicles"
    target: ClassVar[Box] = (-0.50, -0.22, 0.44, FLOOR)
    contact: ClassVar[Box] = (0.16, 0.04, 0.44, 0.30)
    materials: ClassVar[tuple[str, ...]] = ("steel", "bronze", "plastic")
    _LASTS: ClassVar[float] = 0.26

    def _power(self, time_s: float) -> float:
        age = self.hits.age(time_s)
        return max(0.0, min(1.0, 1 - (age - self._LASTS) / 0.25)) if age < 1 else 0.0

    def flash(self, time_s: float) -> float:
        """The headlights light up the scene a little."""
        return 0.35 * self._power(time_s)

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw the pool of the headlights."""
        power = self._power(time_s)
        if power > 0.02:
            canvas.disc((1.0, FLOOR), 0.6, (255, 248, 205), alpha=0.65 * power)

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw the car, its driver, its lights."""
        power, lift = self._power(time_s), self.hits.lift(time_s, rest=0.6)
        bob = 0.025 * power * math.cos(26 * self.hits.age(time_s)) if power else 0.0
        dark = mix(self.paint_color, (0, 0, 0), 0.45)
        long = 0.9 + 0.15 * self.size
        cabin = [
            (-0.40 * long, 0.02 + bob),
            (-0.28 * long, -0.22 + bob),
            (0.06, -0.22 + bob),
            (0.20, 0.02 + bob),
        ]
        canvas.polygon(cabin, mix((150, 190, 214), self.paint_color, 0.15))
        head = (-0.06 + 0.10 * (1 - lift), -0.11 + bob + 0.03 * (1 - lift))
        canvas.circle(head, 0.075, self.look.skin)
        canvas.line((head[0] + 0.02, -0.02 + bob), (0.12, 0.0 + bob), self.look.cloth, width=0.06)
        canvas.line((-0.12, -0.21 + bob), (-0.12, 0.04 + bob), dark, width=0.035)
        hull = [
            (-0.54 * long, 0.02 + bob),
            (0.30, 0.0 + bob),
            (0.46, 0.10 + bob),
            (0.46, 0.32 + bob),
            (-0.54 * long, 0.32 + bob),
        ]
        canvas.polygon(hull, self.paint_color)
        canvas.line((-0.5 * long, 0.30 + bob), (0.44, 0.30 + bob), dark, width=0.05)
        for x in (-0.32 * long, 0.28):
            canvas.circle((x, 0.33), 0.12, _TYRE)
            canvas.circle((x, 0.33), 0.06, (190, 192, 198))
        canvas.circle((0.42, 0.14 + bob), 0.06, mix((150, 146, 130), (255, 252, 214), power))
        if power > 0.02:
            canvas.polygon(
                [(0.46, 0.10 + bob), (1.6, -0.12), (1.6, 0.46), (0.46, 0.18 + bob)],
                (255, 250, 210),
                alpha=0.5 * power,
            )
            age = self.hits.age(time_s)
            for arc in (0.0, 0.12):
                radius = 0.12 + 0.7 * max(0.0, age - arc)
                canvas.circle((0.46, 0.02 + bob), radius, (255, 255, 255), width=0.02, alpha=0.7 * power)

    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Two reeds a third apart with a hard start."""
        pitch = 440 * 2 ** (-0.8 * self.size)
        shape = swell(self._LASTS, attack_s=0.012, release_s=0.07, sample_rate=sample_rate)
        slope = 1.25 - 0.4 * hit.strength * self.material.brightness
        flat = np.full(len(shape), pitch)
        tone = sum(
            harmonics(flat * ratio, slope=slope, count=18, sample_rate=sample_rate) for ratio in (1.0, 1.26)
        )
        return np.asarray(hit.strength * 0.24 * shape * tone)
