"""Scenes: place of every actor in the frame, shot size, light, shadows, room."""

import math
from dataclasses import dataclass, replace

import numpy as np

from cinefoley.stage.actor import Box
from cinefoley.stage.backdrop import Backdrop, draw_backdrop, widen_backdrop
from cinefoley.stage.canvas import Color, Point
from cinefoley.stage.distractors import Distractor, draw_distractors
from cinefoley.stage.figure import FLOOR

__all__ = ["MIN_WIDTH", "SHOTS", "Composition", "Placement", "Scene", "draw_scene", "widen_scene"]

SHOTS = (0.50, 1.30)
"""Height of a person in the frame's shorter sides, from wide to medium; drawn evenly in its logarithm."""

MIN_WIDTH = 0.105
"""What sounds is never narrower than this fraction of the frame: a small encoder must see it."""

_OFF_CENTRE = (0.5, 0.9)
"""Parameters of the symmetric beta distributions of a target's place across and down the frame: the smaller,
the more often a target keeps to the sides, where a close-up hides it."""

_INWARD = 0.8
"""How often the player stands on the frame's inner side of the target: there crops keep clues."""

_MARGIN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where one actor is and how large; fits any frame."""

    shot: float
    """Height of a person, in the frame's shorter sides."""
    anchor: Point
    """Where the target lies between the places where it would touch the frame's borders, each in [0, 1]."""
    is_mirrored: bool
    level: float
    """Gain of its sound: what is far is quieter."""
    wet: float
    """Share of the room in its sound: what is far has more."""

    def settle(self, target: Box, frame: Point, drift: Point) -> tuple[float, Point]:
        """Size and origin, in short sides, with which the target keeps inside a frame of this size."""
        x0, y0, x1, y1 = target if not self.is_mirrored else (-target[2], target[1], -target[0], target[3])
        shot = max(self.shot, MIN_WIDTH * frame[0] / (x1 - x0))
        shot = min(shot, 0.9 * frame[0] / (x1 - x0), 0.9 * frame[1] / (y1 - y0))
        return shot, (
            _between(self.anchor[0], shot * x0, shot * x1, frame[0], abs(drift[0])),
            _between(self.anchor[1], shot * y0, shot * y1, frame[1], abs(drift[1])),
        )


def _between(share: float, low: float, high: float, side: float, drift: float) -> float:
    """Origin with which ``[low, high]`` keeps inside ``[0, side]``; the middle if there is no room."""
    margin = _MARGIN + drift / 2
    first, last = margin - low, side - margin - high
    return first + share * (last - first) if first < last else (first + last) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """A scene settled in a frame of one aspect; lengths in the frame's shorter sides."""

    frame: Point
    """Width and height."""
    shots: tuple[float, ...]
    origins: tuple[Point, ...]
    horizon: float
    """Height of the horizon below the frame's top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One clip's surroundings."""

    placements: tuple[Placement, ...]
    """One for every source."""
    drift: Point
    """How far the camera moves over the whole clip, in short sides."""
    height: float
    """Height of the camera: how far the horizon lies above the highest floor, in short sides."""
    light: Color
    """Factor on red, green and blue."""
    backdrop: Backdrop
    distractors: tuple[Distractor, ...]
    shadow: tuple[float, float, float]
    """Shadows: slant, length (negative: towards the viewer), darkness."""
    reverb_s: float

    @property
    def tilt(self) -> float:
        """Height over width of a disc on the ground."""
        return 0.14 + 0.5 * self.height

    def compose(self, aspect: float, targets: tuple[Box, ...]) -> Composition:
        """Settle every source in a frame; ``aspect`` is its width over its height."""
        frame = (max(1.0, aspect), max(1.0, 1 / aspect))
        settled = [
            place.settle(target, frame, self.drift)
            for place, target in zip(self.placements, targets, strict=True)
        ]
        floor = min(origin[1] + shot * FLOOR for shot, origin in settled)
        return Composition(
            frame=frame,
            shots=tuple(shot for shot, _ in settled),
            origins=tuple(origin for _, origin in settled),
            horizon=floor - self.height,
        )


def draw_scene(rng: np.random.Generator, *, sources: int) -> Scene:
    """Draw surroundings; shot size, place and light vary widely from clip to clip."""
    shot = _log_uniform(rng, *SHOTS)
    across, down = _OFF_CENTRE
    anchor = (float(rng.beta(across, across)), float(rng.beta(down, down)))
    placements = [_placement(rng, shot, anchor)]
    if sources > 1:
        shot = SHOTS[0] + 0.5 * (shot - SHOTS[0])
        aside = (anchor[0] * 0.4, anchor[1])
        placements = [_placement(rng, shot, aside)]
        opposite = (0.65 + 0.35 * float(rng.random()), anchor[1] * float(rng.uniform(0.6, 1.0)))
        placements.append(_placement(rng, shot * float(rng.uniform(0.7, 1.0)), opposite))
        if rng.random() < 0.5:
            placements = [_flipped(place) for place in placements]
    warmth = float(rng.normal(0, 0.06))
    light = float(rng.uniform(0.62, 1.12))
    return Scene(
        placements=tuple(placements),
        drift=(float(rng.normal(0, 0.035)), float(rng.normal(0, 0.02))),
        height=float(rng.uniform(0.05, 0.42)),
        light=(light * (1 + warmth), light, light * (1 - warmth)),
        backdrop=draw_backdrop(rng),
        distractors=draw_distractors(rng),
        shadow=(
            float(rng.uniform(-1.1, 1.1)),
            float(rng.choice((-1, 1)) * rng.uniform(0.12, 0.34)),
            float(rng.uniform(0.2, 0.5)),
        ),
        reverb_s=float(rng.uniform(0.15, 0.7)),
    )


def widen_scene(scene: Scene, rng: np.random.Generator) -> Scene:
    """The same scene with more to either side of it, for a camera that moves by itself: without its drift."""
    return replace(scene, drift=(0.0, 0.0), backdrop=widen_backdrop(scene.backdrop, rng))


def _placement(rng: np.random.Generator, shot: float, anchor: Point) -> Placement:
    near = math.log(shot / SHOTS[0]) / math.log(SHOTS[1] / SHOTS[0])
    return Placement(
        shot=shot,
        anchor=anchor,
        is_mirrored=bool((anchor[0] < 0.5) == (rng.random() < _INWARD)),
        level=0.42 + 0.55 * near,
        wet=(0.20 - 0.16 * near) * float(rng.uniform(0.5, 1.2)),
    )


def _flipped(place: Placement) -> Placement:
    return Placement(
        shot=place.shot,
        anchor=(1 - place.anchor[0], place.anchor[1]),
        is_mirrored=not place.is_mirrored,
        level=place.level,
        wet=place.wet,
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))
