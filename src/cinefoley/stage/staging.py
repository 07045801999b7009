"""Staging: where every actor of a clip stands in the scene's frame at every instant."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.actor import Actor, Box
from cinefoley.stage.canvas import Projection
from cinefoley.stage.scene import Composition, Scene

__all__ = ["Staging"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Staging:
    """A scene composed in a frame of one aspect, with its actors."""

    scene: Scene
    actors: tuple[Actor, ...]
    composition: Composition
    duration_s: float

    @classmethod
    def compose(
        cls, scene: Scene, actors: tuple[Actor, ...], *, aspect: float, duration_s: float
    ) -> "Staging":
        """Settle every actor in a frame; ``aspect`` is its width over its height."""
        composition = scene.compose(aspect, tuple(actor.target for actor in actors))
        return cls(scene=scene, actors=actors, composition=composition, duration_s=duration_s)

    def sway(self, time_s: float) -> NDArray[np.float64]:
        """How far everything is moved by drift and quakes, in short sides."""
        quake = max(actor.shake(time_s) for actor in self.actors)
        along = time_s / self.duration_s - 0.5
        x, y = self.scene.drift
        jolt = quake * np.array([math.sin(61.0 * time_s), math.cos(53.0 * time_s)])
        return np.array([x * along, y * along]) + jolt

    def projection(self, source: int, sway: NDArray[np.float64]) -> Projection:
        """Maps an actor's coordinates to short sides from the corner of the scene's frame."""
        shot = self.composition.shots[source]
        mirror = -1 if self.scene.placements[source].is_mirrored else 1
        origin = np.array(self.composition.origins[source]) + sway
        return Projection(np.diag([shot * mirror, shot]), origin)

    def boxes(
        self, source: int, times_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Boxes ``(T, 4)`` of a source's target and contact, as fractions of the scene's frame."""
        actor, target, contact = self.actors[source], [], []
        for time_s in times_s.tolist():
            projection = self.projection(source, self.sway(time_s))
            target.append(self._box(projection, actor.target_box(time_s)))
            contact.append(self._box(projection, actor.contact_box(time_s)))
        return np.array(target).reshape(-1, 4), np.array(contact).reshape(-1, 4)

    def subject(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """What a camera follows: the place where the first source sounds, and the size of what sounds."""
        projection, actor = self.projection(0, np.zeros(2)), self.actors[0]
        contact, target = (self._box(projection, box) for box in (actor.contact, actor.target))
        (x, y), (width, height) = (contact[:2] + contact[2:]) / 2, target[2:] - target[:2]
        return (float(x), float(y)), (float(width), float(height))

    def order(self) -> Sequence[int]:
        """The sources, from the farthest to the nearest."""
        shots = self.composition.shots
        return sorted(range(len(self.actors)), key=lambda source: shots[source])

    def _box(self, projection: Projection, box: Box) -> NDArray[np.float64]:
        corners = projection.to_pixels([box[:2], box[2:]]) / np.array(self.composition.frame)
        return np.concatenate([corners.min(axis=0), corners.max(axis=0)])
