"""Distractors: things that move without a sound, so that movement alone does not predict sound."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cinefoley.stage.canvas import Canvas, Color, Point, mix
from cinefoley.stage.figure import draw_color

__all__ = ["Distractor", "draw_distractors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distractor:
    """Something that moves on its own; places as in :class:`~cinefoley.stage.backdrop.Shape`."""

    name: str
    place: Point
    size: float
    color: Color
    period_s: float
    phase: float

    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw it as it looks at ``time_s``."""
        _PAINTERS[self.name](self, canvas, 2 * math.pi * (time_s / self.period_s + self.phase))


def draw_distractors(rng: np.random.Generator) -> tuple[Distractor, ...]:
    """Draw none (60 %), one (30 %) or two."""
    count = int(np.searchsorted((0.60, 0.90), rng.random()))
    names = list(_PAINTERS)
    return tuple(
        Distractor(
            name=names[int(rng.integers(len(names)))],
            place=(float(rng.uniform(-0.9, 0.9)), float(rng.uniform(-0.6, -0.15))),
            size=float(rng.uniform(0.10, 0.24)),
            color=draw_color(rng, (40, 240)),
            period_s=float(rng.uniform(0.9, 4.5)),
            phase=float(rng.random()),
        )
        for _ in range(count)
    )


def _paint_pendulum(it: Distractor, canvas: Canvas, angle: float) -> None:
    x, y = it.place
    swing = 0.5 * math.sin(angle)
    bob = (x + 1.6 * it.size * math.sin(swing), y - it.size + 1.6 * it.size * math.cos(swing))
    canvas.line((x, y - it.size), bob, mix(it.color, (0, 0, 0), 0.5), width=0.014)
    canvas.circle(bob, 0.3 * it.size, it.color)


def _paint_balloon(it: Distractor, canvas: Canvas, angle: float) -> None:
    x, y = it.place[0] + 0.35 * math.sin(angle / 3), it.place[1] - 0.15 + 0.08 * math.sin(angle)
    canvas.line(
        (x, y + 0.4 * it.size), (x + 0.02 * math.sin(angle), y + 1.3 * it.size), (90, 90, 90), width=0.01
    )
    canvas.ellipse((x, y), (0.36 * it.size, 0.45 * it.size), it.color)


def _paint_flag(it: Distractor, canvas: Canvas, angle: float) -> None:
    x, y = it.place
    canvas.line((x, y - it.size), (x, 0.0), (120, 116, 110), width=0.02)
    top = [(x + it.size * 0.25 * n, y - it.size + 0.06 * n * it.size * math.sin(angle + n)) for n in range(6)]
    bottom = [(px, py + 0.6 * it.size) for px, py in reversed(top)]
    canvas.polygon([*top, *bottom], it.color)


def _paint_butterfly(it: Distractor, canvas: Canvas, angle: float) -> None:
    x = it.place[0] + 0.3 * math.sin(angle / 4) + 0.08 * math.sin(angle * 0.9)
    y = it.place[1] + 0.10 * math.sin(angle * 0.7)
    open_ = 0.06 + 0.30 * abs(math.sin(3 * angle))
    for side in (-1, 1):
        canvas.ellipse((x + side * open_ * it.size, y), (open_ * it.size, 0.34 * it.size), it.color)


def _paint_lamp(it: Distractor, canvas: Canvas, angle: float) -> None:
    x, y = it.place
    is_lit = math.sin(angle) > 0
    canvas.line((x, y), (x, 0.0), (70, 70, 74), width=0.03)
    canvas.circle((x, y), 0.4 * it.size, (255, 226, 130) if is_lit else mix(it.color, (0, 0, 0), 0.6))


def _paint_waver(it: Distractor, canvas: Canvas, angle: float) -> None:
    x, size = it.place[0], 1.9 * it.size
    canvas.line((x, 0.03), (x, 0.03 - 0.9 * size), it.color, width=0.32 * size)
    canvas.circle((x, -1.12 * size), 0.2 * size, (222, 178, 144))
    for side in (-1, 1):
        lift = 0.5 + 0.5 * math.sin(angle + side)
        hand = (x + side * 0.55 * size, (-0.5 - 0.7 * lift) * size)
        canvas.line((x + side * 0.12 * size, -0.82 * size), hand, it.color, width=0.13 * size)


def _paint_fan(it: Distractor, canvas: Canvas, angle: float) -> None:
    x, y = it.place
    canvas.line((x, y), (x, 0.02), (150, 146, 140), width=0.04)
    for blade in range(3):
        turn = angle + blade * 2 * math.pi / 3
        tip = (x + 0.9 * it.size * math.cos(turn), y + 0.9 * it.size * math.sin(turn))
        canvas.line((x, y), tip, it.color, width=0.16 * it.size)


_PAINTERS: dict[str, Callable[[Distractor, Canvas, float], None]] = {
    "pendulum": _paint_pendulum,
    "balloon": _paint_balloon,
    "flag": _paint_flag,
    "butterfly": _paint_butterfly,
    "lamp": _paint_lamp,
    "waver": _paint_waver,
    "fan": _paint_fan,
}
