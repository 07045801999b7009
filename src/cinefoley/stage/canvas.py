"""Anti-aliased vector drawing: shapes in an actor's own coordinates, drawn into frames of any scale.

A canvas records shapes, :func:`trace` computes their outlines in pixels, :meth:`Canvas.draw` fills them. Many
canvases are traced together, since at the size of training frames numpy's cost per call would be most of the
cost of a shape.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Canvas", "Color", "Outlines", "Point", "Projection", "mix", "trace"]

Point = tuple[float, float]
Color = tuple[float, float, float]
"""Red, green and blue in [0, 255]."""

_SHIFT = 4  # fractional bits of cv2's coordinates: sub-pixel motion stays smooth at small sizes
_FIXED = float(1 << _SHIFT)
_BLEED = 0.65  # pixels by which cv2's anti-aliased fill grows a shape; taken off, or small pictures look bold
_FAR = 8000.0  # beyond this cv2's fixed-point coordinates would overflow


def _circle(count: int) -> NDArray[np.float64]:
    angles = 2 * math.pi * np.arange(count) / count
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


_ARCS = np.stack([-np.cos(a := np.linspace(-math.pi / 2, math.pi / 2, 6)), np.sin(a)], axis=1)
_STEPS = np.array([3.0, 10.0, 40.0])  # pixels of half an axis from which an ellipse has more corners
_CORNERS = (10, 16, 28, 48)
_CAPSULE = np.concatenate([_ARCS, -_ARCS])
_CIRCLES = [_circle(count) for count in _CORNERS]
_ENDS = np.repeat([0.0, 1.0], 6)[:, None]


def mix(first: Color, second: Color, amount: float) -> Color:
    """Colour between ``first`` (amount 0) and ``second`` (amount 1); amounts outside [0, 1] are clipped."""
    amount = min(max(amount, 0.0), 1.0)
    return (
        first[0] + (second[0] - first[0]) * amount,
        first[1] + (second[1] - first[1]) * amount,
        first[2] + (second[2] - first[2]) * amount,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Maps coordinates to pixels: ``pixels = points @ linear + offset``."""

    linear: NDArray[np.float64]
    """``(2, 2)``; pixels per unit, with mirroring or shear."""
    offset: NDArray[np.float64]
    """``(2,)``; the pixel of the origin."""

    def to_pixels(self, points: Sequence[Point] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixel coordinates ``(N, 2)`` of points."""
        return np.asarray(points, dtype=np.float64) @ self.linear + self.offset

    def over(self, linear: NDArray[np.float64], offset: NDArray[np.float64]) -> "Projection":
        """This camera applied to coordinates that are first mapped by ``points @ linear + offset``."""
        return Projection(linear @ self.linear, offset @ self.linear + self.offset)

    @property
    def scale(self) -> float:
        """Pixels per unit, the geometric mean of both directions."""
        (a, b), (c, d) = self.linear.tolist()
        return math.sqrt(abs(a * d - b * c)) + 1e-9


_Row = tuple[int, float, float, float, float, float]


class _Style(NamedTuple):
    """How a recorded shape is filled."""

    color: Color
    alpha: float
    casts_shadow: bool
    is_convex: bool


class Canvas:
    """Shapes of one frame, in the order in which they are drawn.

    Args:
        tilt: How far the camera looks down: height over width of a disc that lies on the ground.
    """

    def __init__(self, *, tilt: float = 0.25) -> None:
        self.tilt = tilt
        self.casts_shadow = True
        """Whether shapes added from now on are part of shadows; false for what lies inside other shapes."""
        self._styles: list[_Style] = []
        self.lines: list[_Row] = []
        """Number of the shape, start, end, width."""
        self.ellipses: list[_Row] = []
        """Number of the shape, middle, half-axes, width of the outline or NaN."""
        self.polygons: list[tuple[int, Sequence[Point]]] = []
        """Number of the shape, corners."""

    def __len__(self) -> int:
        return len(self._styles)

    def polygon(self, points: Sequence[Point], color: Color, *, alpha: float = 1.0) -> None:
        """Fill a polygon; ``alpha`` below 1 lets the ground show through."""
        self.polygons.append((self._add(color, alpha, is_convex=False), points))

    def line(self, start: Point, end: Point, color: Color, *, width: float, alpha: float = 1.0) -> None:
        """Draw a line with round ends, ``width`` units thick."""
        self.lines.append((self._add(color, alpha), *start, *end, width))

    def path(self, points: Sequence[Point], color: Color, *, width: float) -> None:
        """Draw lines through all points."""
        for start, end in itertools.pairwise(points):
            self.line(start, end, color, width=width)

    def ellipse(
        self,
        center: Point,
        axes: tuple[float, float],
        color: Color,
        *,
        width: float | None = None,
        alpha: float = 1.0,
    ) -> None:
        """Draw an upright ellipse with half-axes ``axes``: filled, or as an outline ``width`` units thick."""
        ring = math.nan if width is None else width
        self.ellipses.append((self._add(color, alpha), *center, *axes, ring))

    def circle(
        self, center: Point, radius: float, color: Color, *, width: float | None = None, alpha: float = 1.0
    ) -> None:
        """Draw a circle: filled, or as an outline ``width`` units thick."""
        self.ellipse(center, (radius, radius), color, width=width, alpha=alpha)

    def disc(
        self, center: Point, radius: float, color: Color, *, width: float | None = None, alpha: float = 1.0
    ) -> None:
        """Draw a circle that lies flat on the ground."""
        self.ellipse(center, (radius, radius * self.tilt), color, width=width, alpha=alpha)

    def draw(
        self,
        image: NDArray[np.uint8],
        outlines: "Outlines",
        *,
        light: Color = (1.0, 1.0, 1.0),
        tint: Color | None = None,
    ) -> None:
        """Draw every shape into a frame; the shapes stay, for another frame.

        Args:
            image: RGB frame ``(H, W, 3)`` uint8, drawn into in place.
            outlines: Of :func:`trace` for this canvas.
            light: Factor on red, green and blue, the scene's light.
            tint: Draw everything in this one colour, as a shadow; what is see-through then draws nothing.
        """
        for outer, hole, style in zip(outlines.outers, outlines.holes, self._styles, strict=True):
            alpha = style.alpha
            if outer is None or alpha < 0.02:
                continue
            if tint is None:
                color = _lit(style.color, light)
            elif alpha < 0.6 or not style.casts_shadow:
                continue
            else:
                color = tint
            if alpha > 0.98:
                _fill(image, outer, hole, color, style.is_convex)
            else:
                _blend(image, outer, hole, color, style)

    def _add(self, color: Color, alpha: float, *, is_convex: bool = True) -> int:
        self._styles.append(_Style(color, alpha, self.casts_shadow, is_convex))
        return len(self._styles) - 1


Outline = NDArray[np.int32]
"""Corners ``(N, 2)`` of a shape as cv2's fixed-point numbers."""


@dataclass(frozen=True, slots=True)
class Outlines:
    """Outlines of a canvas's shapes in a frame; None for a shape that the frame does not show."""

    outers: list[Outline | None]
    holes: list[Outline | None]


def trace(jobs: Sequence[tuple[Canvas, Projection]], size: tuple[int, int]) -> list[Outlines]:
    """Outlines of many canvases, each in a frame of its own.

    Args:
        jobs: Canvases, and where their coordinates lie in the frame.
        size: Height and width of the frames in pixels.
    """
    tracer = _Tracer(jobs, size)
    tracer.trace_lines()
    tracer.trace_ellipses()
    tracer.trace_polygons()
    return tracer.found


class _Tracer:
    """Computes outlines of one sort of shape of all jobs in one go."""

    def __init__(self, jobs: Sequence[tuple[Canvas, Projection]], size: tuple[int, int]) -> None:
        self._canvases = [canvas for canvas, _ in jobs]
        self._height, self._width = size
        self._linear = np.array([projection.linear for _, projection in jobs]).reshape(-1, 2, 2)
        self._offset = np.array([projection.offset for _, projection in jobs]).reshape(-1, 2)
        self._scale = np.array([projection.scale for _, projection in jobs])
        counts = [len(canvas) for canvas in self._canvases]
        self.found = [Outlines([None] * count, [None] * count) for count in counts]

    def trace_lines(self) -> None:
        rows, table = self._gather([canvas.lines for canvas in self._canvases])
        if not len(rows):
            return
        start, way = table[:, 1:3], table[:, 3:5] - table[:, 1:3]
        half = np.maximum(table[:, 5] / 2 - _BLEED / self._scale[rows], 1e-6)
        length = np.hypot(way[:, 0], way[:, 1])
        is_line = length > 1e-9
        unit = np.where(is_line[:, None], way / np.where(is_line, length, 1.0)[:, None], (1.0, 0.0))
        cos, sin = (unit * half[:, None]).T[:, :, None]
        x, y = _CAPSULE.T
        turned = np.stack([x * cos - y * sin, x * sin + y * cos], axis=2)
        points = turned + start[:, None] + _ENDS * way[:, None]
        self._keep(rows, table[:, 0], self._to_pixels(rows, points))

    def trace_ellipses(self) -> None:
        rows, table = self._gather([canvas.ellipses for canvas in self._canvases])
        if not len(rows):
            return
        middle, axes, ring = table[:, 1:3], table[:, 3:5], table[:, 5]
        is_ring = ~np.isnan(ring)
        outset = np.where(is_ring, ring / 2, 0.0) - _BLEED / self._scale[rows]
        outer = np.maximum(axes + outset[:, None], 1e-6)
        inner = np.maximum(axes - outset[:, None], 0.0)
        is_hollow = is_ring & (inner.min(axis=1) > 0)
        groups = np.searchsorted(_STEPS, axes.max(axis=1) * self._scale[rows], side="right")
        for group, unit in enumerate(_CIRCLES):
            for radii, is_hole in ((outer, False), (inner, True)):
                part = np.flatnonzero((groups == group) & (is_hollow | (not is_hole)))
                pixels = self._to_pixels(rows[part], middle[part, None] + unit * radii[part, None])
                self._keep(rows[part], table[part, 0], pixels, is_hole=is_hole)

    def trace_polygons(self) -> None:
        by_count: dict[int, list[tuple[int, int, Sequence[Point]]]] = {}
        for row, canvas in enumerate(self._canvases):
            for index, points in canvas.polygons:
                by_count.setdefault(len(points), []).append((row, index, points))
        for group in by_count.values():
            rows, indices = (np.array([entry[n] for entry in group]) for n in (0, 1))
            pixels = self._to_pixels(rows, np.array([points for _, _, points in group]))
            inward = pixels.mean(axis=1, keepdims=True) - pixels
            length = np.sqrt((inward * inward).sum(axis=2, keepdims=True)) + 1e-9
            self._keep(rows, indices, pixels + inward * np.minimum(_BLEED / length, 0.9))

    def _gather(self, lists: Sequence[Sequence[_Row]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The jobs ``(M,)`` and numbers ``(M, 6)`` of one sort of shape."""
        rows = np.repeat(np.arange(len(lists)), [len(shapes) for shapes in lists])
        return rows, np.array([shape for shapes in lists for shape in shapes], dtype=np.float64)

    def _to_pixels(self, rows: NDArray[np.int64], points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels ``(M, N, 2)`` of the points of each row's job."""
        linear, offset = self._linear[rows, None], self._offset[rows, None]
        return points[..., :1] * linear[:, :, 0] + points[..., 1:] * linear[:, :, 1] + offset

    def _keep(
        self,
        rows: NDArray[np.int64],
        indices: NDArray[np.generic],
        pixels: NDArray[np.float64],
        *,
        is_hole: bool = False,
    ) -> None:
        """Keep outlines ``(M, N, 2)`` of which the frame shows anything, and every hole."""
        low, high = pixels.min(axis=1), pixels.max(axis=1)
        limit = (self._width + 1, self._height + 1)
        seen = np.flatnonzero(((low < limit) & (high > -2)).all(axis=1) | is_hole)
        fixed = _fixed(pixels[seen])
        for row, index, outline in zip(
            rows[seen].tolist(), indices[seen].astype(int).tolist(), fixed, strict=True
        ):
            found = self.found[row]
            (found.holes if is_hole else found.outers)[index] = outline


def _lit(color: Color, light: Color) -> Color:
    return (
        min(255, round(color[0] * light[0])),
        min(255, round(color[1] * light[1])),
        min(255, round(color[2] * light[2])),
    )


def _blend(
    image: NDArray[np.uint8], outer: Outline, hole: Outline | None, color: Sequence[float], style: _Style
) -> None:
    """Fill a shape that is see-through."""
    height, width = image.shape[:2]
    (left, top), (right, bottom) = outer.min(axis=0).tolist(), outer.max(axis=0).tolist()
    x0, y0 = max(0, (left >> _SHIFT) - 2), max(0, (top >> _SHIFT) - 2)
    x1, y1 = min(width, (right >> _SHIFT) + 4), min(height, (bottom >> _SHIFT) + 4)
    if x0 >= x1 or y0 >= y1:
        return
    part = image[y0:y1, x0:x1]
    overlay = part.copy()
    corner = np.array([x0, y0], dtype=np.int32) << _SHIFT
    _fill(overlay, outer - corner, None if hole is None else hole - corner, color, style.is_convex)
    part[...] = cv2.addWeighted(overlay, style.alpha, part, 1 - style.alpha, 0)


def _fill(
    image: NDArray[np.uint8], outer: Outline, hole: Outline | None, color: Sequence[float], is_convex: bool
) -> None:
    if hole is not None:
        cv2.fillPoly(image, [outer, hole], color, cv2.LINE_AA, _SHIFT)
    elif is_convex:
        cv2.fillConvexPoly(image, outer, color, cv2.LINE_AA, _SHIFT)
    else:
        cv2.fillPoly(image, [outer], color, cv2.LINE_AA, _SHIFT)


def _fixed(pixels: NDArray[np.float64]) -> NDArray[np.int32]:
    # cv2 counts from pixel centres, we from corners: half a pixel
    return np.rint(np.clip(pixels - 0.5, -_FAR, _FAR) * _FIXED).astype(np.int32)
