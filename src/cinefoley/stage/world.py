"""Backdrop of a clip: drawn once, then shown through the camera frame by frame."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.camera import Framing, View
from cinefoley.stage.canvas import Projection
from cinefoley.stage.optics import Optics
from cinefoley.stage.scene import Composition, Scene

__all__ = ["World"]

_MARGIN = 0.16  # short sides that the backdrop reaches beyond what is shown, for drift, quakes and roll
_NEAR_FLOOR = 0.35  # short sides: no ground lies nearer to the horizon when the background slides


class World:
    """The backdrop at the scale of the smallest window, from which every frame is cut.

    Args:
        scene: What is drawn.
        composition: The scene in its frame.
        raster: Height and width of the frames in pixels.
        framing: What the frames will show.
        optics: How it is photographed.
    """

    def __init__(
        self,
        scene: Scene,
        composition: Composition,
        raster: tuple[int, int],
        framing: Framing,
        *,
        optics: Optics,
    ) -> None:
        self._frame = np.array(composition.frame)
        self._raster = raster
        self._horizon = composition.horizon
        self._near = max(scene.height, _NEAR_FLOOR)
        windows = framing.windows
        smallest = (windows[:, 2:] - windows[:, :2]).min(axis=0)
        self._scale = np.array(raster[::-1]) / (smallest * self._frame)
        reach = np.array([np.abs(framing.slides).max(), 0.0])
        low = windows[:, :2].min(axis=0) * self._frame - _MARGIN - reach
        high = windows[:, 2:].max(axis=0) * self._frame + _MARGIN + reach
        self._corner = low
        width, height = np.ceil((high - low) * self._scale).astype(int).tolist()
        middle = np.array([composition.frame[0] / 2, composition.horizon])
        projection = Projection(np.diag(self._scale), (middle - low) * self._scale)
        extent = np.concatenate([-_MARGIN - low, self._frame + _MARGIN - low]) * np.tile(self._scale, 2)
        x0, y0, x1, y1 = extent.tolist()
        self._picture = scene.backdrop.render(
            (height, width), projection, extent=(x0, y0, x1, y1), light=scene.light
        )
        if optics.surfaces is not None:
            is_open = scene.backdrop.place in {"street", "field"}
            optics.surfaces.apply(self._picture, projection, is_open=is_open)
        optics.defocus(self._picture, float(np.sqrt(self._scale.prod())))

    def pixels(self, view: View) -> float:
        """Pixels of a short side of the scene's frame in a view."""
        return self.lens(view).scale

    def lens(self, view: View) -> Projection:
        """Maps short sides from the corner of the scene's frame to pixels of what the view shows."""
        window, pivot = view.window, view.pivot * self._frame
        scale = np.array(self._raster[::-1]) / ((window[2:] - window[:2]) * self._frame)
        cos, sin = np.cos(view.roll), np.sin(view.roll)
        turn = np.array([[cos, sin], [-sin, cos]])
        return Projection(turn * scale, (pivot - pivot @ turn - window[:2] * self._frame) * scale)

    def picture(self, view: View, sway: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The backdrop as the view shows it, moved by ``sway`` (short sides)."""
        if view.roll or view.slide:
            return self._turned(view, sway)
        window = view.window
        height, width = self._raster
        corner = (window[:2] * self._frame - sway - self._corner) * self._scale
        shown = (window[2:] - window[:2]) * self._frame * self._scale
        if abs(shown[0] - width) < 1e-4 * width and abs(shown[1] - height) < 1e-4 * height:
            x, y = (corner + np.array([width - 1, height - 1]) / 2).tolist()
            return np.asarray(cv2.getRectSubPix(self._picture, (width, height), (x, y)), np.uint8)
        step = shown / (width, height)
        return self._warp(np.diag(step), corner + step / 2 - 0.5, height)

    def _turned(self, view: View, sway: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The backdrop rolled, or moved behind the subject: the ground the less the nearer it is."""
        lens = self.lens(view)
        inverse = np.linalg.inv(lens.linear)
        start = (0.5 - lens.offset) @ inverse - sway  # of the first pixel's centre, in short sides
        far = np.array([view.slide, 0.0])
        wall = (start - far - self._corner) * self._scale - 0.5
        if not view.slide:
            return self._warp(inverse * self._scale, wall, self._raster[0])
        row = lens.to_pixels([(0.0, self._horizon + sway[1])])[0, 1]
        first = int(np.clip(round(row), 0, self._raster[0]))
        shear = np.array([[1.0, 0.0], [view.slide / self._near, 1.0]])
        moved = start @ shear - far - np.array([view.slide / self._near * self._horizon, 0.0])
        linear = inverse @ shear * self._scale
        ground = (moved - self._corner) * self._scale - 0.5 + first * linear[1]
        parts = [self._warp(inverse * self._scale, wall, first)]
        parts.append(self._warp(linear, ground, self._raster[0] - first))
        return np.concatenate(parts)

    def _warp(self, linear: NDArray[np.float64], offset: NDArray[np.float64], rows: int) -> NDArray[np.uint8]:
        """The backdrop at ``pixels @ linear + offset`` for every pixel of a frame's first rows."""
        if not rows:
            return np.empty((0, self._raster[1], 3), np.uint8)
        matrix = np.concatenate([linear.T, offset[:, None]], axis=1)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        shape = (self._raster[1], rows)
        picture = cv2.warpAffine(self._picture, matrix, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(picture, np.uint8)
