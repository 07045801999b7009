"""Anti-aliased drawing in an actor's own coordinates, whatever the raster's scale in either direction."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Canvas", "Color", "Point", "Projection", "mix"]

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


_CIRCLES = {count: _circle(count) for count in (10, 16, 28, 48)}
_ARCS = np.stack([-np.cos(a := np.linspace(-math.pi / 2, math.pi / 2, 6)), np.sin(a)], axis=1)
_CAPSULE = np.concatenate([_ARCS, -_ARCS])
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


class Canvas:
    """One frame being drawn.

    Args:
        image: RGB picture ``(H, W, 3)`` uint8, drawn into in place.
        camera: Where the actor's coordinates lie in it.
        light: Factor on red, green and blue, the scene's light.
        tilt: How far the camera looks down: height over width of a disc that lies on the ground.
        tint: Draw everything in this one colour, as a shadow; what is see-through then draws nothing.
    """

    def __init__(
        self,
        image: NDArray[np.uint8],
        camera: Projection,
        *,
        light: Color = (1.0, 1.0, 1.0),
        tilt: float = 0.25,
        tint: Color | None = None,
    ) -> None:
        self.image = image
        self.projection = camera
        self.tilt = tilt
        self.is_shadow = tint is not None
        self._light = light
        self._tint = tint
        self._pixel = 1 / camera.scale

    def polygon(self, points: Sequence[Point], color: Color, *, alpha: float = 1.0) -> None:
        """Fill a polygon; ``alpha`` below 1 lets the ground show through."""
        pixels = self.projection.to_pixels(points)
        inward = pixels.mean(axis=0) - pixels
        length = np.sqrt((inward * inward).sum(axis=1, keepdims=True)) + 1e-9
        self._fill(pixels + inward * np.minimum(_BLEED / length, 0.9), color, alpha, is_convex=False)

    def line(self, start: Point, end: Point, color: Color, *, width: float, alpha: float = 1.0) -> None:
        """Draw a line with round ends, ``width`` units thick."""
        x, y = end[0] - start[0], end[1] - start[1]
        length = math.hypot(x, y)
        cos, sin = (x / length, y / length) if length > 1e-9 else (1.0, 0.0)
        half = max(width / 2 - _BLEED * self._pixel, 1e-6)
        turned = _CAPSULE @ np.array([[cos * half, sin * half], [-sin * half, cos * half]])
        points = turned + np.array(start) + _ENDS * np.array([x, y])
        self._fill(self.projection.to_pixels(points), color, alpha)

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
        size = max(axes) * self.projection.scale
        unit = _CIRCLES[10 if size < 3 else 16 if size < 10 else 28 if size < 40 else 48]
        middle = np.array(center)
        half = 0.0 if width is None else width / 2
        outset = half - _BLEED * self._pixel
        outer = np.array([max(axes[0] + outset, 1e-6), max(axes[1] + outset, 1e-6)])
        pixels = self.projection.to_pixels(middle + unit * outer)
        if width is None:
            self._fill(pixels, color, alpha)
            return
        inner = np.array([max(axes[0] - outset, 0.0), max(axes[1] - outset, 0.0)])
        if inner.min() <= 0 or not self._is_seen(pixels):
            self._fill(pixels, color, alpha)
            return
        self._fill(pixels, color, alpha, hole=self.projection.to_pixels(middle + unit * inner))

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

    def shows(self, center: Point, radius: float) -> bool:
        """Whether anything within ``radius`` of a point can be seen: what is not need not be drawn."""
        square = np.array([[-radius, -radius], [radius, -radius], [radius, radius], [-radius, radius]])
        return self._is_seen(self.projection.to_pixels(square + np.array(center)))

    def _is_seen(self, pixels: NDArray[np.float64]) -> bool:
        height, width = self.image.shape[:2]
        (left, top), (right, bottom) = pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist()
        return left < width + 1 and right > -2 and top < height + 1 and bottom > -2

    def _fill(
        self,
        pixels: NDArray[np.float64],
        color: Color,
        alpha: float,
        *,
        is_convex: bool = True,
        hole: NDArray[np.float64] | None = None,
    ) -> None:
        if not self._is_seen(pixels) or alpha < 0.02 or (self.is_shadow and alpha < 0.6):
            return
        if alpha > 0.98:
            _fill(self.image, pixels, hole, self._lit(color), is_convex)
            return
        height, width = self.image.shape[:2]
        (left, top), (right, bottom) = pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist()
        x0, y0 = max(0, math.floor(left) - 2), max(0, math.floor(top) - 2)
        x1, y1 = min(width, math.ceil(right) + 3), min(height, math.ceil(bottom) + 3)
        if x0 >= x1 or y0 >= y1:
            return
        part = self.image[y0:y1, x0:x1]
        overlay = part.copy()
        corner = np.array([x0, y0])
        _fill(overlay, pixels - corner, None if hole is None else hole - corner, self._lit(color), is_convex)
        part[...] = cv2.addWeighted(overlay, alpha, part, 1 - alpha, 0)

    def _lit(self, color: Color) -> tuple[int, int, int]:
        if self._tint is not None:
            color = self._tint
        red, green, blue = (min(255, round(c * f)) for c, f in zip(color, self._light, strict=True))
        return red, green, blue


def _fill(
    image: NDArray[np.uint8],
    pixels: NDArray[np.float64],
    hole: NDArray[np.float64] | None,
    color: tuple[int, int, int],
    is_convex: bool,
) -> None:
    outer = _fixed(pixels)
    if hole is not None:
        cv2.fillPoly(image, [outer, _fixed(hole)], color, cv2.LINE_AA, _SHIFT)
    elif is_convex:
        cv2.fillConvexPoly(image, outer, color, cv2.LINE_AA, _SHIFT)
    else:
        cv2.fillPoly(image, [outer], color, cv2.LINE_AA, _SHIFT)


def _fixed(pixels: NDArray[np.float64]) -> NDArray[np.int32]:
    # cv2 counts from pixel centres, we from corners: half a pixel
    return np.rint(np.clip(pixels - 0.5, -_FAR, _FAR) * _FIXED).astype(np.int32)
