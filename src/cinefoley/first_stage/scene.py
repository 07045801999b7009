"""Where it happens: room, light, camera."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefoley.first_stage.actor import draw_color
from cinefoley.first_stage.canvas import Camera, Color

__all__ = ["Scene", "draw_scene"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One clip's surroundings. Lengths are fractions of the frame's shorter side unless said otherwise."""

    shot: float
    """Height of the actor: 0.45 (wide) to 1.05 (medium close)."""
    place: tuple[float, float]
    """Offset of the actor from the frame's middle, to the right and down."""
    drift: tuple[float, float]
    """How far the camera drifts over the whole clip."""
    is_mirrored: bool
    light: float
    """Factor on every colour."""
    wall: tuple[Color, Color]
    """Colours of the wall, top and bottom."""
    ground: Color
    furniture: tuple[tuple[float, float, float, float, Color], ...]
    """Rectangles on the wall: left, top, width, height as fractions of the frame, and colour."""
    floor: float
    """Height of the floor in the actor's coordinates."""
    level: float
    """Gain of the sound: far shots are quieter."""
    reverb_s: float
    reverb_wet: float
    hiss: float
    """Standard deviation of the recording's noise."""

    def camera(self, time_s: float, duration_s: float, size: tuple[int, int]) -> Camera:
        """The camera at ``time_s``."""
        height, width = size
        unit = min(height, width)
        along = time_s / duration_s - 0.5
        x = width / 2 + unit * (self.place[0] + self.drift[0] * along)
        y = height / 2 + unit * (self.place[1] + self.drift[1] * along)
        return Camera(scale=self.shot * unit, center=(x, y), is_mirrored=self.is_mirrored)

    def background(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Wall, furniture and ground, ``(H, W, 3)``; it stands still, only the actor moves."""
        height, width = size
        top, bottom = (np.asarray(color) for color in self.wall)
        rows = np.linspace(0, 1, height)[:, None]
        image = np.repeat((top + (bottom - top) * rows)[:, None, :], width, axis=1)
        for left, up, wide, high, color in self.furniture:
            x0, y0 = round(left * width), round(up * height)
            image[y0 : y0 + max(1, round(high * height)), x0 : x0 + max(1, round(wide * width))] = color
        horizon = round(height / 2 + min(size) * (self.place[1] + self.shot * (self.floor - 0.06)))
        if horizon < height:
            image[max(0, horizon) :] = self.ground
        lit = np.clip(image * self.light, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(cv2.GaussianBlur(lit, (3, 3), 0))


def draw_scene(rng: np.random.Generator, *, floor: float) -> Scene:
    """Draw surroundings; shot size, place and light vary widely from clip to clip."""
    shot = float(rng.uniform(0.45, 1.05))
    furniture = tuple(
        (
            float(rng.uniform(0, 0.9)),
            float(rng.uniform(0, 0.6)),
            float(rng.uniform(0.05, 0.25)),
            float(rng.uniform(0.05, 0.35)),
            draw_color(rng, (50, 210)),
        )
        for _ in range(int(rng.integers(0, 4)))
    )
    return Scene(
        shot=shot,
        place=(float(rng.uniform(-0.28, 0.28)), float(rng.uniform(-0.10, 0.12))),
        drift=(float(rng.normal(0, 0.03)), float(rng.normal(0, 0.015))),
        is_mirrored=bool(rng.random() < 0.5),
        light=float(rng.uniform(0.65, 1.1)),
        wall=(draw_color(rng, (60, 220)), draw_color(rng, (60, 220))),
        ground=draw_color(rng, (50, 170)),
        furniture=furniture,
        floor=floor,
        level=float(0.55 + 0.45 * (shot - 0.45) / 0.6),
        reverb_s=float(rng.uniform(0.15, 0.6)),
        reverb_wet=float(rng.uniform(0.02, 0.15)),
        hiss=float(10 ** (rng.uniform(-70, -56) / 20)),
    )
