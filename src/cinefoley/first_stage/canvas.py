"""Anti-aliased drawing in an actor's own coordinates."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Camera", "Canvas", "Color", "Point", "mix"]

Point = tuple[float, float]
Color = tuple[float, float, float]
"""Red, green and blue in [0, 255]."""

_SHIFT = 4  # fractional bits of cv2's coordinates: sub-pixel motion stays smooth at small sizes


def mix(first: Color, second: Color, amount: float) -> Color:
    """Colour between ``first`` (amount 0) and ``second`` (amount 1); amounts outside [0, 1] are clipped."""
    amount = min(max(amount, 0.0), 1.0)
    return (
        first[0] + (second[0] - first[0]) * amount,
        first[1] + (second[1] - first[1]) * amount,
        first[2] + (second[2] - first[2]) * amount,
    )


@dataclass(frozen=True, slots=True)
class Camera:
    """Maps an actor's coordinates to pixels: x to the right, y down, the contact point near the origin."""

    scale: float
    """Pixels per unit; an actor is about one unit tall."""
    center: Point
    """Pixel at which the actor's origin lies."""
    is_mirrored: bool = False
    """Whether the actor faces the other way."""

    def to_pixels(self, points: Sequence[Point]) -> NDArray[np.float64]:
        """Pixel coordinates ``(N, 2)`` of points given in the actor's coordinates."""
        pixels = np.asarray(points, dtype=np.float64).reshape(-1, 2) * self.scale
        if self.is_mirrored:
            pixels[:, 0] *= -1
        return pixels + np.asarray(self.center)

    def box(self, corners: tuple[float, float, float, float], height: int, width: int) -> NDArray[np.float32]:
        """Box ``(x0, y0, x1, y1)`` in the actor's coordinates as fractions of the frame."""
        x0, y0, x1, y1 = corners
        pixels = self.to_pixels([(x0, y0), (x1, y1)])
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        return np.asarray(
            [low[0] / width, low[1] / height, high[0] / width, high[1] / height], dtype=np.float32
        )


class Canvas:
    """One frame being drawn.

    Args:
        image: RGB picture ``(H, W, 3)`` uint8, drawn into in place.
        camera: Where the actor's coordinates lie in it.
        brightness: Factor on every colour, the scene's light.
    """

    def __init__(self, image: NDArray[np.uint8], camera: Camera, *, brightness: float = 1.0) -> None:
        self.image = image
        self.camera = camera
        self._brightness = brightness

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self.image, [self._fixed(points)], self._lit(color), cv2.LINE_AA, _SHIFT)

    def line(self, start: Point, end: Point, color: Color, *, width: float) -> None:
        """Draw a line with round ends, ``width`` units thick."""
        a, b = self._fixed([start, end])
        thickness = max(1, round(width * self.camera.scale))
        cv2.line(self.image, _pair(a), _pair(b), self._lit(color), thickness, cv2.LINE_AA, _SHIFT)

    def ellipse(
        self, center: Point, axes: tuple[float, float], color: Color, *, width: float | None = None
    ) -> None:
        """Draw an upright ellipse with half-axes ``axes``: filled, or as an outline ``width`` units thick."""
        (middle,) = self._fixed([center])
        radii = tuple(max(1, round(axis * self.camera.scale * (1 << _SHIFT))) for axis in axes)
        thickness = -1 if width is None else max(1, round(width * self.camera.scale))
        cv2.ellipse(
            self.image,
            _pair(middle),
            (radii[0], radii[1]),
            0,
            0,
            360,
            self._lit(color),
            thickness,
            cv2.LINE_AA,
            _SHIFT,
        )

    def circle(self, center: Point, radius: float, color: Color, *, width: float | None = None) -> None:
        """Draw a circle: filled, or as an outline ``width`` units thick."""
        self.ellipse(center, (radius, radius), color, width=width)

    def _fixed(self, points: Sequence[Point]) -> NDArray[np.int32]:
        pixels = np.clip(self.camera.to_pixels(points), -20000, 20000)
        return np.round(pixels * (1 << _SHIFT)).astype(np.int32)

    def _lit(self, color: Color) -> tuple[int, int, int]:
        red, green, blue = (min(255, round(channel * self._brightness)) for channel in color)
        return red, green, blue


def _pair(point: NDArray[np.int32]) -> tuple[int, int]:
    return int(point[0]), int(point[1])
