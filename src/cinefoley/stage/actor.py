"""Base class of actions: how one kind of sounding action looks, moves and sounds."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cinefoley.stage.canvas import Canvas, Color, mix
from cinefoley.stage.figure import draw_color, draw_look
from cinefoley.stage.rhythm import Hits, draw_hits
from cinefoley.stage.synthesis import Sound

__all__ = ["MATERIALS", "Actor", "Box", "Hit", "Material"]

Box = tuple[float, float, float, float]
"""``(x0, y0, x1, y1)`` in the actor's coordinates."""


@dataclass(frozen=True, slots=True)
class Material:
    """Material: its colour, and how it rings."""

    name: str
    color: Color
    decay: float
    """Factor on how long it rings."""
    brightness: float
    """Factor on its upper modes."""


MATERIALS: dict[str, Material] = {
    material.name: material
    for material in (
        Material("wood", (158, 104, 54), 0.7, 0.7),
        Material("darkwood", (96, 58, 34), 0.6, 0.55),
        Material("steel", (150, 158, 170), 1.35, 1.35),
        Material("iron", (84, 86, 96), 1.1, 1.1),
        Material("bronze", (206, 158, 66), 1.3, 1.0),
        Material("copper", (190, 104, 70), 1.15, 0.9),
        Material("stone", (140, 138, 132), 0.6, 0.9),
        Material("plastic", (214, 62, 58), 0.75, 0.9),
        Material("rubber", (52, 54, 60), 0.55, 0.5),
        Material("leather", (132, 72, 44), 0.7, 0.7),
    )
}


@dataclass(frozen=True, slots=True)
class Hit:
    """One event of an actor."""

    index: int
    """Counted from 0."""
    strength: float
    """In (0, 1]."""
    duration_s: float
    """How long it lasts; 0 for a stroke."""


class Actor(ABC):
    """One kind of sounding action: it draws its looks and its sound from ``rng`` and follows ``hits``.

    Coordinates have the contact point near the origin, x to the right, y down, the floor at
    :data:`~cinefoley.stage.figure.FLOOR`, and one unit is about a person's height. What is seen is a function
    of time alone, so any frame can be drawn without the others.
    """

    kind: ClassVar[str]
    family: ClassVar[str]
    is_onset_like: ClassVar[bool] = True
    """Whether its sounds start sharply enough for their onsets to be judged within ±100 ms."""
    target: ClassVar[Box]
    """What must lie inside the frame: the sounding thing, wherever it moves."""
    contact: ClassVar[Box] = (-0.08, -0.08, 0.08, 0.08)
    """Where the sound is made."""
    materials: ClassVar[tuple[str, ...]] = ("wood", "steel", "plastic")
    """Names of the materials it comes in."""

    def __init__(self, rng: np.random.Generator, hits: Hits) -> None:
        self.hits = hits
        self.size = float(rng.uniform(0.0, 1.0))
        """0 small (high pitch) to 1 large (low pitch)."""
        self.look = draw_look(rng)
        self.material = MATERIALS[self.materials[int(rng.integers(len(self.materials)))]]
        self.paint_color = draw_color(rng, (40, 235))
        """Colour of parts without a material."""
        self.color = mix(self.material.color, self.paint_color, 0.28)
        """The material's colour, no two alike."""

    @classmethod
    def draw_hits(cls, rng: np.random.Generator, duration_s: float) -> Hits:
        """Draw when it acts."""
        return draw_hits(rng, duration_s)

    def target_box(self, time_s: float) -> Box:
        """Where the sounding thing is."""
        return self.target

    def contact_box(self, time_s: float) -> Box:
        """Where the sound is made."""
        return self.contact

    def flash(self, time_s: float) -> float:
        """How much light it throws on everything, in [0, 1]."""
        return 0.0

    def shake(self, time_s: float) -> float:
        """How far the ground quakes, in units."""
        return 0.0

    def paint_ground(self, canvas: Canvas, time_s: float) -> None:
        """Draw what lies flat on the ground and casts no shadow: dust, ripples, light."""
        return

    @abstractmethod
    def paint(self, canvas: Canvas, time_s: float) -> None:
        """Draw the action as it looks at ``time_s``."""

    @abstractmethod
    def sound(self, hit: Hit, rng: np.random.Generator, sample_rate: int) -> Sound:
        """Sound of one event, ``(N,)``, starting at the event; peak about the hit's strength."""
