"""Painter: draws backdrop, distractors, shadows and actors of a clip's frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.camera import Framing, View
from cinefoley.stage.canvas import Canvas, Color, Outlines, Projection, trace
from cinefoley.stage.figure import FLOOR
from cinefoley.stage.optics import Optics, smear
from cinefoley.stage.staging import Staging
from cinefoley.stage.world import World

__all__ = ["Painter"]

_TOGETHER = 16  # frames whose shapes are traced in one go
_SHADOW = (14.0, 14.0, 20.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Drawing:
    """Shapes that share a projection, and their outlines once they are traced."""

    canvas: Canvas
    projection: Projection


@dataclass(frozen=True, slots=True, eq=False)
class _Sketch:
    """One frame before it is drawn."""

    view: View
    sway: NDArray[np.float64]
    flash: float
    bodies: list[Projection]
    drawings: list[_Drawing]
    """Distractors, grounds, shadows, actors, and the actors as the shutter opens."""


class Painter:
    """Draws frames of one clip.

    Args:
        staging: Who stands where.
        raster: Height and width of the frames in pixels.
        framing: What each frame shows.
        optics: How it is photographed.
        exposure_s: Seconds for which the shutter is open.
    """

    def __init__(
        self,
        staging: Staging,
        raster: tuple[int, int],
        framing: Framing,
        *,
        optics: Optics,
        exposure_s: float,
    ) -> None:
        self._staging = staging
        self._raster = raster
        self._framing = framing
        self._optics = optics
        self._exposure_s = exposure_s
        self._world = World(staging.scene, staging.composition, raster, framing, optics=optics)

    def paint(self, times_s: NDArray[np.float64], motion: NDArray[np.float64]) -> Iterator[NDArray[np.uint8]]:
        """Draw every frame ``(H, W, 3)``.

        Args:
            times_s: ``(T,)``, the instants that the framing is of.
            motion: ``(T, 2)``, how far the picture moves while the shutter is open, in widths and heights.
        """
        sketches = (
            self._sketch(time_s, view) for time_s, view in zip(times_s.tolist(), self._framing, strict=True)
        )
        moves = iter((motion * self._raster[::-1]).tolist())
        while some := list(islice(sketches, _TOGETHER)):
            jobs = [(it.canvas, it.projection) for sketch in some for it in sketch.drawings]
            outlines = iter(trace(jobs, self._raster))
            for sketch in some:
                image = self._draw(sketch, [next(outlines) for _ in sketch.drawings])
                yield smear(image, *next(moves))

    def _sketch(self, time_s: float, view: View) -> _Sketch:
        staging, tilt = self._staging, self._staging.scene.tilt
        lens, sway = self._world.lens(view), staging.sway(time_s)
        middle = np.array([staging.composition.frame[0] / 2 + view.slide, staging.composition.horizon])
        far = Canvas(tilt=tilt)
        for distractor in staging.scene.distractors:
            distractor.paint(far, time_s)
        drawings = [_Drawing(far, lens.over(np.eye(2), middle + sway))]
        bodies, grounds, shadows, figures, earlier = [], [], [], [], []
        slant, length, _ = staging.scene.shadow
        linear = np.array([[1.0, 0.0], [-slant, length]])
        offset = np.array([slant * FLOOR, FLOOR * (1 - length)])
        for source in staging.order():
            actor, inner = staging.actors[source], staging.projection(source, sway)
            projection = lens.over(inner.linear, inner.offset)
            ground, figure = Canvas(tilt=tilt), Canvas(tilt=tilt)
            actor.paint_ground(ground, time_s)
            actor.paint(figure, time_s)
            bodies.append(projection)
            grounds.append(_Drawing(ground, projection))
            shadows.append(_Drawing(figure, projection.over(linear, offset)))
            figures.append(_Drawing(figure, projection))
            if self._exposure_s > 0:
                before = Canvas(tilt=tilt)
                actor.paint(before, max(0.0, time_s - self._exposure_s))
                earlier.append(_Drawing(before, projection))
        flash = max(actor.flash(time_s) for actor in staging.actors)
        return _Sketch(view, sway, flash, bodies, [*drawings, *grounds, *shadows, *figures, *earlier])

    def _draw(self, sketch: _Sketch, outlines: list[Outlines]) -> NDArray[np.uint8]:
        scene, flash, count = self._staging.scene, sketch.flash, len(sketch.bodies)
        image = self._world.picture(sketch.view, sketch.sway)
        if flash > 0.01:
            image = np.asarray(cv2.convertScaleAbs(image, alpha=1 + 0.8 * flash, beta=40 * flash), np.uint8)
        red, green, blue = (f * (1 + 0.4 * flash) for f in scene.light)
        light: Color = (red, green, blue)
        parts = list(zip(sketch.drawings, outlines, strict=True))
        far, grounds, shadows = parts[:1], parts[1 : 1 + count], parts[1 + count : 1 + 2 * count]
        figures, earlier = parts[1 + 2 * count : 1 + 3 * count], parts[1 + 3 * count :]
        for drawing, traced in far:
            drawing.canvas.draw(image, traced, light=light)
            if len(drawing.canvas):
                self._optics.defocus(image, self._world.pixels(sketch.view))
        for drawing, traced in grounds:
            drawing.canvas.draw(image, traced, light=light)
        overlay = image.copy()
        for drawing, traced in shadows:
            drawing.canvas.draw(overlay, traced, tint=_SHADOW)
        darkness = scene.shadow[2]
        cv2.addWeighted(overlay, darkness, image, 1 - darkness, 0, dst=image)
        before = image.copy() if earlier or self._optics.shading is not None else None
        for drawing, traced in figures:
            drawing.canvas.draw(image, traced, light=light)
        if before is None:
            return image
        return self._expose(image, before, sketch, earlier, light)

    def _expose(
        self,
        image: NDArray[np.uint8],
        behind: NDArray[np.uint8],
        sketch: _Sketch,
        earlier: list[tuple[_Drawing, Outlines]],
        light: Color,
    ) -> NDArray[np.uint8]:
        """Shade the actors' surfaces, and mix in how the actors looked as the shutter opened."""
        shading = self._optics.shading
        if shading is not None:
            shading.apply(image, behind, sketch.bodies[-1])
        if earlier:
            first = behind.copy() if shading is not None else behind
            for drawing, traced in earlier:
                drawing.canvas.draw(first, traced, light=light)
            if shading is not None:
                shading.apply(first, behind, sketch.bodies[-1])
            cv2.addWeighted(first, 0.5, image, 0.5, 0, dst=image)
        return image
