"""What every kind of action has in common."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from cinefoley.first_stage.canvas import Canvas, Color, Point
from cinefoley.first_stage.rhythm import Hits
from cinefoley.first_stage.synthesis import Sound

__all__ = ["FLOOR", "Actor", "Box", "draw_color", "draw_figure"]

Box = tuple[float, float, float, float]
"""``(x0, y0, x1, y1)`` in the actor's coordinates."""

FLOOR = 0.45
"""Height of the floor in the actor's coordinates (y points down)."""


class Actor(ABC):
    """One kind of sounding action: it draws its looks and its sound from ``rng`` and follows ``hits``.

    Coordinates have the contact point near the origin, x to the right, y down, the floor at :data:`FLOOR`,
    and
    one unit is about the actor's height. What is seen is a function of time alone, so any frame can be drawn
    without the others.
    """

    kind: ClassVar[str]
    family: ClassVar[str]
    is_onset_like: ClassVar[bool] = True
    target: ClassVar[Box]
    """Where the sounding thing is."""
    contact: ClassVar[Box] = (-0.08, -0.08, 0.08, 0.08)
    """Where the sound is made."""

    def __init__(self, rng: np.random.Generator, hits: Hits) -> None:
        self.hits = hits
        self.size = float(rng.uniform(0.0, 1.0))
        """0 small (high pitch) to 1 large (low pitch)."""
        self.skin = draw_color(rng, (150, 235))
        self.cloth = draw_color(rng, (30, 220))
        self.material = draw_color(rng, (60, 230))

    @abstractmethod
    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw the action as it looks at ``time_s``."""

    @abstractmethod
    def sound(self, strength: float, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Sound of one event, ``(N,)``, starting at the event; peak about ``strength``."""


def draw_color(rng: np.random.Generator, limits: tuple[float, float]) -> Color:
    """Random colour, every channel within ``limits``."""
    red, green, blue = rng.uniform(*limits, 3)
    return float(red), float(green), float(blue)


def draw_figure(
    canvas: Canvas, hips: Point, *, cloth: Color, skin: Color, hand: Point | None = None, lean: float = 0.0
) -> Point:
    """Draw a person standing (or seated) with the hips at ``hips`` and one arm reaching to ``hand``.

    Returns:
        The shoulder's place.
    """
    x, y = hips
    shoulder = (x + 0.10 * lean, y - 0.34)
    dark: Color = (cloth[0] * 0.6, cloth[1] * 0.6, cloth[2] * 0.6)
    for foot in (-0.09, 0.09):
        canvas.line(hips, (x + foot, FLOOR), dark, width=0.075)
    canvas.line(hips, shoulder, cloth, width=0.17)
    canvas.circle((shoulder[0] + 0.03 * lean, shoulder[1] - 0.16), 0.085, skin)
    if hand is not None:
        elbow = ((shoulder[0] + hand[0]) / 2 - 0.05, (shoulder[1] + hand[1]) / 2 + 0.07)
        canvas.line(shoulder, elbow, cloth, width=0.065)
        canvas.line(elbow, hand, skin, width=0.055)
    return shoulder
