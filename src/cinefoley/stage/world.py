"""The backdrop, drawn once for a clip, and the lens through which windows look at it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.canvas import Camera
from cinefoley.stage.scene import Composition, Scene

__all__ = ["World"]

_MARGIN = 0.16  # short sides that the backdrop reaches beyond the frame, for drift and quakes


class World:
    """The backdrop at the windows' scale, from which every frame is cut."""

    def __init__(
        self, scene: Scene, composition: Composition, raster: tuple[int, int], windows: NDArray[np.float64]
    ) -> None:
        self._frame = np.array(composition.frame)
        self._raster = raster
        smallest = (windows[:, 2:] - windows[:, :2]).min(axis=0)
        self._scale = np.array(raster[::-1]) / (smallest * self._frame)
        low = windows[:, :2].min(axis=0) * self._frame - _MARGIN
        high = windows[:, 2:].max(axis=0) * self._frame + _MARGIN
        self._corner = low
        width, height = np.ceil((high - low) * self._scale).astype(int).tolist()
        middle = np.array([composition.frame[0] / 2, composition.horizon])
        camera = Camera(np.diag(self._scale), (middle - low) * self._scale)
        extent = np.concatenate([-_MARGIN - low, self._frame + _MARGIN - low]) * np.tile(self._scale, 2)
        x0, y0, x1, y1 = extent.tolist()
        self._picture = scene.backdrop.render(
            (height, width), camera, extent=(x0, y0, x1, y1), light=scene.light
        )

    def lens(self, window: NDArray[np.float64]) -> Camera:
        """Maps short sides from the frame's corner to pixels of what the window shows."""
        scale = np.array(self._raster[::-1]) / ((window[2:] - window[:2]) * self._frame)
        return Camera(np.diag(scale), -window[:2] * self._frame * scale)

    def picture(self, window: NDArray[np.float64], sway: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The backdrop as the window shows it."""
        height, width = self._raster
        corner = (window[:2] * self._frame - sway - self._corner) * self._scale
        shown = (window[2:] - window[:2]) * self._frame * self._scale
        if np.allclose(shown, (width, height), rtol=1e-4):
            x, y = (corner + np.array([width - 1, height - 1]) / 2).tolist()
            return np.asarray(cv2.getRectSubPix(self._picture, (width, height), (x, y)), np.uint8)
        step = shown / (width, height)
        matrix = np.array(
            [[step[0], 0, corner[0] + step[0] / 2 - 0.5], [0, step[1], corner[1] + step[1] / 2 - 0.5]]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        shape = (width, height)
        picture = cv2.warpAffine(self._picture, matrix, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(picture, np.uint8)
