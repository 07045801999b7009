"""Visible traces of events: dust, ripples, sparks, smoke. All grow with the time since the event."""

import math

from cinefoley.stage.canvas import Canvas, Color, Point, mix
from cinefoley.stage.figure import FLOOR

__all__ = ["draw_dust", "draw_ripples", "draw_smoke", "draw_sparks", "draw_speed_lines"]

_DUST: Color = (226, 214, 192)
_SMOKE: Color = (226, 226, 228)


def draw_dust(
    canvas: Canvas, x: float, age: float, *, reach: float, strength: float, color: Color = _DUST
) -> None:
    """A ring of dust that runs over the floor for 0.7 s from ``x``, and puffs at its sides."""
    spread = age / 0.7
    if not 0 <= spread < 1:
        return
    radius = reach * (0.15 + 0.85 * spread**0.7) * (0.6 + 0.4 * strength)
    canvas.disc((x, FLOOR), radius, color, width=0.05, alpha=0.75 * (1 - spread))
    for side in (-1, 1):
        height = 0.05 * math.sin(math.pi * spread) + 0.015
        center = (x + side * radius, FLOOR - height)
        canvas.ellipse(center, (0.055 + 0.06 * spread, 0.03 + 0.03 * spread), color, alpha=0.9 * (1 - spread))


def draw_ripples(
    canvas: Canvas,
    center: Point,
    age: float,
    *,
    reach: float,
    color: Color,
    lasts_s: float = 1.1,
    delays_s: tuple[float, ...] = (0.0, 0.16),
) -> None:
    """Rings that spread from a point on a level surface."""
    for delay in delays_s:
        spread = (age - delay) / (lasts_s - delay)
        if 0 < spread < 1:
            canvas.disc(center, reach * spread**0.8, color, width=0.028, alpha=0.95 * (1 - 0.8 * spread))


def draw_sparks(
    canvas: Canvas, center: Point, age: float, *, reach: float, count: int = 8, hot: Color = (255, 238, 150)
) -> None:
    """Sparks on parabolas for 0.6 s."""
    if not 0 <= age < 0.6:
        return
    cooled = mix(hot, (214, 70, 20), age / 0.6)
    for index in range(count):
        angle = math.pi * (0.08 + 0.84 * index / max(1, count - 1))
        way = reach * (0.12 + 1.5 * age) * (0.7 + 0.3 * math.cos(7.3 * index))
        spark = (
            center[0] + way * math.cos(angle),
            center[1] - way * math.sin(angle) + 1.1 * age**2,
        )
        canvas.circle(spark, 0.026 - 0.02 * age, cooled)


def draw_smoke(
    canvas: Canvas, center: Point, age: float, *, drift: Point, lasts_s: float = 0.9, color: Color = _SMOKE
) -> None:
    """A puff that grows and drifts away."""
    spread = age / lasts_s
    if 0 <= spread < 1:
        for index, part in enumerate((0.6, 0.8, 1.0)):
            place = (
                center[0] + drift[0] * spread * part,
                center[1] + drift[1] * spread * part + 0.03 * (-1) ** index * spread,
            )
            canvas.circle(place, 0.04 + 0.11 * spread * part, color, alpha=0.7 * (1 - spread))


def draw_speed_lines(
    canvas: Canvas, center: Point, age: float, *, inner: float, outer: float, color: Color = (255, 250, 235)
) -> None:
    """Short rays around an impact for 0.3 s, as a struck thing jumps."""
    spread = age / 0.3
    if not 0 <= spread < 1:
        return
    for index in range(8):
        angle = math.pi * (index + 0.5) / 4
        near, far = inner + (outer - inner) * 0.7 * spread, inner + (outer - inner) * (0.4 + 0.6 * spread)
        cos, sin = math.cos(angle), math.sin(angle)
        canvas.line(
            (center[0] + near * cos, center[1] + near * sin),
            (center[0] + far * cos, center[1] + far * sin),
            color,
            width=0.022,
            alpha=1 - 0.7 * spread,
        )
