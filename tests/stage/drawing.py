"""Frames of single canvases."""

import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.canvas import Canvas, Color, Projection, trace


def drawn(
    canvas: Canvas,
    *,
    scale: tuple[float, float] = (100.0, 100.0),
    size: tuple[int, int] = (200, 200),
    light: Color = (1.0, 1.0, 1.0),
    tint: Color | None = None,
) -> NDArray[np.uint8]:
    """The canvas on black, its origin in the middle of the frame."""
    image = np.zeros((*size, 3), dtype=np.uint8)
    projection = Projection(np.diag(scale), np.array([size[1] / 2, size[0] / 2]))
    (outlines,) = trace([(canvas, projection)], size)
    canvas.draw(image, outlines, light=light, tint=tint)
    return image
