"""Optics: textured surfaces, depth of field, shading, motion blur, vignette."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.canvas import Projection
from cinefoley.stage.distribution import OPTICS

__all__ = ["CLEAN", "Optics", "Pattern", "Shading", "Surfaces", "draw_optics", "smear"]

Pattern = Literal["bricks", "boards", "tiles"]

_PATTERNS: tuple[Pattern, ...] = ("bricks", "boards", "tiles")
_TILE = 256  # cells of a texture along each side
_TILE_SIDE = 2.2  # short sides after which a texture repeats
_SHADE_SIDE = 1.6  # units of an actor after which its shading repeats
_MID = 128
_JOINT = 0.09  # of a brick, board or tile
_EYE = 0.16  # the ground's perspective: short sides from the horizon to where its depth is infinite
_OPEN_AIR = 0.35  # contrast of a sky's texture over that of a wall


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surfaces:
    """Textures and patterns of wall and ground."""

    noise: NDArray[np.float32]
    """``(256, 256)``, mean 0, standard deviation 1; repeats seamlessly."""
    contrast: float
    wall: Pattern | None
    ground: Pattern | None
    size: float
    """Of the patterns, in short sides."""
    depth: float
    """How much darker joints are."""

    def apply(self, picture: NDArray[np.uint8], projection: Projection, *, is_open: bool) -> None:
        """Put them on a backdrop in place.

        Args:
            picture: ``(H, W, 3)`` RGB.
            projection: Maps x from the frame's middle and y from the horizon to pixels, axes kept apart.
            is_open: Whether the sky is above the horizon, and not a wall.
        """
        height, width = picture.shape[:2]
        scale, offset = np.diag(projection.linear), projection.offset
        cell = _TILE / _TILE_SIDE / scale
        start = (0.5 - offset) * cell
        matrix = np.array([[cell[0], 0.0, start[0]], [0.0, cell[1], start[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        noise = cv2.warpAffine(self.noise, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)
        gain = 1 + self.contrast * np.asarray(noise)
        row = int(np.clip(round(offset[1]), 0, height))
        if is_open:
            gain[:row] = 1 + _OPEN_AIR * (gain[:row] - 1)
        x = ((np.arange(width) + 0.5 - offset[0]) / scale[0]).astype(np.float32)
        y = ((np.arange(height) + 0.5 - offset[1]) / scale[1]).astype(np.float32)
        if self.wall is not None and not is_open and row > 0:
            gain[:row] -= self.depth * _joints(self.wall, x[None] / self.size, y[:row, None] / self.size)
        if self.ground is not None and row < height:
            far = 1 / (y[row:, None] + _EYE)
            gain[row:] -= self.depth * _joints(
                self.ground, 0.4 * x[None] * far / self.size, 0.25 * far / self.size
            )
        cv2.multiply(picture, cv2.merge([gain] * 3), dst=picture, dtype=cv2.CV_8U)


def _joints(pattern: Pattern, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each place, in sizes of the pattern, lies in a joint."""
    if pattern == "boards":
        return np.asarray((x % 1 < _JOINT) & (y == y))
    if pattern == "tiles":
        return np.asarray((x % 1 < _JOINT) | (y % 1 < _JOINT))
    return np.asarray(((x / 2 + 0.5 * (np.floor(y) % 2)) % 1 < _JOINT / 2) | (y % 1 < _JOINT))


@dataclass(frozen=True, slots=True, eq=False)
class Shading:
    """Texture and shade of the actors' surfaces, which move with them."""

    tile: NDArray[np.uint8]
    """``(256, 256)`` factors; 128 is 1. Repeats seamlessly."""

    def apply(self, image: NDArray[np.uint8], behind: NDArray[np.uint8], projection: Projection) -> None:
        """Shade in place what differs from the frame before the actors were drawn.

        Args:
            image: ``(H, W, 3)`` RGB with the actors.
            behind: The same without.
            projection: Maps the actor's coordinates to pixels.
        """
        height, width = image.shape[:2]
        inverse = np.linalg.inv(projection.linear) * (_TILE / _SHADE_SIDE)
        offset = (0.5 - projection.offset) @ inverse
        matrix = np.concatenate([inverse.T, offset[:, None]], axis=1)
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        factor = cv2.warpAffine(self.tile, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)
        shaded = cv2.multiply(image, cv2.merge([factor] * 3), scale=1 / _MID)
        is_actor = cv2.inRange(cv2.absdiff(image, behind), (0, 0, 0), (2, 2, 2))
        cv2.copyTo(shaded, cv2.bitwise_not(is_actor), image)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Optics:
    """How a clip is photographed."""

    surfaces: Surfaces | None = None
    shading: Shading | None = None
    blur: float = 0.0
    """Standard deviation of the background's blur, in the frame's shorter sides."""
    shutter: float = 0.0
    """Share of a frame's time for which the shutter is open."""
    vignette: float = 0.0
    """How much darker the frame's corners are than its middle, in [0, 1]."""

    def defocus(self, image: NDArray[np.uint8], pixels: float) -> None:
        """Blur a background in place; ``pixels`` are those of a short side."""
        side = 1 + 2 * round(1.22 * self.blur * pixels)  # of two boxes with this variance
        if side > 1:
            for _ in range(2):
                cv2.blur(image, (side, side), dst=image)


CLEAN = Optics()
"""A lens without a fault."""


def draw_optics(rng: np.random.Generator) -> Optics:
    """Draw optics as :mod:`cinefoley.stage.distribution` says."""
    patterns: list[Pattern | None] = [
        _PATTERNS[int(rng.integers(len(_PATTERNS)))] if has else None
        for has in rng.random(2) < OPTICS.pattern
    ]
    surfaces = Surfaces(
        noise=_draw_noise(rng, (0.35, 1.0, 0.8)),
        contrast=OPTICS.texture.draw(rng),
        wall=patterns[0],
        ground=patterns[1],
        size=OPTICS.pattern_size.draw(rng),
        depth=OPTICS.pattern_depth.draw(rng),
    )
    contrast = OPTICS.shading_contrast.draw(rng)
    tile = _MID * (1 + contrast * _draw_noise(rng, (1.0, 0.6, 0.5)))
    has = rng.random(4) < (OPTICS.shading, OPTICS.shallow, OPTICS.shutter, OPTICS.vignette)
    return Optics(
        surfaces=surfaces,
        shading=Shading(np.clip(np.rint(tile), 0, 255).astype(np.uint8)) if has[0] else None,
        blur=OPTICS.defocus.draw(rng) if has[1] else 0.0,
        shutter=OPTICS.shutter_deg.draw(rng) / 360 if has[2] else 0.0,
        vignette=OPTICS.vignette_depth.draw(rng) if has[3] else 0.0,
    )


def _draw_noise(rng: np.random.Generator, weights: tuple[float, ...]) -> NDArray[np.float32]:
    """Noise that repeats seamlessly: the sum of grids of 8, 32 and 128 cells."""
    total = np.zeros((_TILE, _TILE), dtype=np.float32)
    for octave, weight in enumerate(weights):
        cells = 8 * 4**octave
        grid = np.pad(rng.standard_normal((cells, cells)).astype(np.float32), 2, mode="wrap")
        fine = cv2.resize(grid, None, fx=_TILE / cells, fy=_TILE / cells, interpolation=cv2.INTER_CUBIC)
        edge = 2 * _TILE // cells
        total += weight * np.asarray(fine, np.float32)[edge:-edge, edge:-edge]
    return (total - total.mean()) / total.std()


def smear(image: NDArray[np.uint8], across: float, down: float) -> NDArray[np.uint8]:
    """Motion blur of a moving camera: a box as wide and as high as the picture moves, in pixels."""
    height, width = image.shape[:2]
    sides = (1 + round(min(abs(across), 0.2 * width)), 1 + round(min(abs(down), 0.2 * height)))
    return image if sides == (1, 1) else np.asarray(cv2.blur(image, sides), np.uint8)
