"""Backdrop of a scene: sky or wall, ground, houses, furniture, things that lie about."""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.canvas import Canvas, Color, Point, Projection, mix, trace
from cinefoley.stage.distribution import OPTICS
from cinefoley.stage.figure import draw_color

__all__ = ["Backdrop", "Shape", "draw_backdrop", "widen_backdrop"]

_REACH = 1.3  # shapes are strewn this far to either side of the frame's middle, in short sides
_TILE = {"room": 2.9, "street": 3.5, "field": 3.1, "studio": 0.0}  # width of what is strewn, in short sides
_BAND = 3.9  # shapes as wide as this reach from one side to the other
_GRAIN = 48  # cells of the mottling along the picture


@dataclass(frozen=True, slots=True)
class Shape:
    """A polygon or ellipse; x from the frame's middle, y from the horizon (down), in short sides."""

    points: tuple[Point, ...]
    color: Color
    radii: Point | None = None
    """Half-axes of an ellipse around the first point."""

    @property
    def width(self) -> float:
        """How far its points reach from left to right."""
        across = [x for x, _ in self.points]
        return max(across) - min(across)

    def moved(self, x: float) -> "Shape":
        """The same, further to the right."""
        return replace(self, points=tuple((px + x, py) for px, py in self.points))

    def stretched(self, factor: float) -> "Shape":
        """The same, wider about the frame's middle."""
        return replace(self, points=tuple((px * factor, py) for px, py in self.points))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backdrop:
    """One clip's surroundings."""

    place: Literal["room", "street", "field", "studio"]
    sky: tuple[Color, Color]
    """Colours at the top and at the horizon."""
    ground: tuple[Color, Color]
    """Colours at the horizon and near the viewer."""
    shapes: tuple[Shape, ...]
    grain: NDArray[np.float32]
    """Mottling ``(48, 48)`` in grey levels, spread over the picture."""

    def render(
        self,
        size: tuple[int, int],
        projection: Projection,
        *,
        extent: tuple[float, float, float, float],
        light: Color,
    ) -> NDArray[np.uint8]:
        """Draw it.

        Args:
            size: Height and width in pixels.
            projection: Maps x from the frame's middle and y from the horizon to pixels, axes kept apart.
            extent: ``(x0, y0, x1, y1)``, the pixels over which the mottling spreads.
            light: Factor on red, green and blue.

        Returns:
            ``(H, W, 3)`` RGB.
        """
        height, width = size
        horizon, scale = projection.offset[1], projection.linear[1, 1]
        rows = (np.arange(height) + 0.5 - horizon) / scale
        up = np.clip(1 + rows / 0.9, 0, 1)[:, None]
        down = np.clip(rows / 0.8, 0, 1)[:, None]
        sky = np.asarray(self.sky[0]) * (1 - up) + np.asarray(self.sky[1]) * up
        ground = np.asarray(self.ground[0]) * (1 - down) + np.asarray(self.ground[1]) * down
        column = np.where(rows[:, None] < 0, sky, ground) * np.asarray(light)
        image = np.repeat(column.clip(0, 255).astype(np.uint8)[:, None], width, axis=1)
        canvas = Canvas()
        for shape in self.shapes:
            if shape.radii is None:
                canvas.polygon(shape.points, shape.color)
            else:
                canvas.ellipse(shape.points[0], shape.radii, shape.color)
        (outlines,) = trace([(canvas, projection)], size)
        canvas.draw(image, outlines, light=light)
        return self._mottle(image, extent)

    def _mottle(
        self, image: NDArray[np.uint8], extent: tuple[float, float, float, float]
    ) -> NDArray[np.uint8]:
        x0, y0, x1, y1 = (round(value) for value in extent)
        grain = cv2.resize(self.grain, (max(1, x1 - x0), max(1, y1 - y0)), interpolation=cv2.INTER_CUBIC)
        height, width = image.shape[:2]
        padded = cv2.copyMakeBorder(
            grain, max(0, y0), max(0, height - y1), max(0, x0), max(0, width - x1), cv2.BORDER_REFLECT
        )[max(0, -y0) :, max(0, -x0) :][:height, :width]
        return np.clip(image + padded[..., None], 0, 255).astype(np.uint8)


def draw_backdrop(rng: np.random.Generator) -> Backdrop:
    """Draw a room (40 %), a street (20 %), a field (25 %) or a bare studio (15 %)."""
    place: Literal["room", "street", "field", "studio"]
    draw = rng.random()
    if draw < 0.40:
        place, shapes = "room", _draw_room(rng)
        wall = draw_color(rng, (80, 225))
        sky, ground = (mix(wall, (0, 0, 0), 0.2), wall), _near_and_far(draw_color(rng, (60, 190)))
    elif draw < 0.60:
        place, shapes = "street", _draw_street(rng)
        sky = (draw_color(rng, (90, 200)), draw_color(rng, (150, 240)))
        ground = _near_and_far(mix((110, 108, 106), draw_color(rng, (60, 190)), 0.3))
    elif draw < 0.85:
        place, shapes = "field", _draw_field(rng)
        sky = (mix((70, 120, 200), draw_color(rng, (40, 220)), 0.4), draw_color(rng, (170, 245)))
        ground = _near_and_far(mix((96, 140, 62), draw_color(rng, (60, 220)), 0.45))
    else:
        place, shapes = "studio", ()
        wall = draw_color(rng, (50, 230))
        sky, ground = (mix(wall, (0, 0, 0), 0.35), wall), _near_and_far(mix(wall, (0, 0, 0), 0.2))
    grain = cv2.GaussianBlur(rng.normal(0, float(rng.uniform(2, 12)), (_GRAIN, _GRAIN)), (3, 3), 0.8)
    return Backdrop(place=place, sky=sky, ground=ground, shapes=shapes, grain=grain.astype(np.float32))


def widen_backdrop(backdrop: Backdrop, rng: np.random.Generator) -> Backdrop:
    """The same place, three times as wide: more of its kind to the left and to the right."""
    strewn = {"room": _strew_room, "street": _strew_street, "field": _strew_field}.get(backdrop.place)
    wings = [
        shape.moved(side * _TILE[backdrop.place])
        for side in (-1, 1)
        for shape in (strewn(rng) if strewn else [])
    ]
    shapes = [shape.stretched(3.0) if shape.width > _BAND else shape for shape in backdrop.shapes]
    return replace(backdrop, shapes=(*wings, *shapes, *_strew_clutter(rng)))


def _strew_clutter(rng: np.random.Generator) -> list[Shape]:
    """Boxes, balls and posts that lie about on the ground."""
    count = round(OPTICS.clutter_count.draw(rng)) if rng.random() < OPTICS.clutter else 0
    shapes = []
    for _ in range(3 * count):  # count of them in the middle third of the wide backdrop
        x, y = float(rng.uniform(-3.9, 3.9)), 0.22 * float(rng.random()) ** 2
        width, height = float(rng.uniform(0.02, 0.16)), float(rng.uniform(0.03, 0.2))
        sort, color = rng.random(), draw_color(rng, (20, 235))
        if sort < 0.6:
            shapes.append(_box(x, y - height, width, height, color))
        elif sort < 0.8:
            shapes.append(Shape(((x, y - width / 2),), color, (width / 2, width / 2)))
        else:
            shapes.append(_box(x, y - 3 * height, 0.018, 3 * height, color))
    return shapes


def _near_and_far(color: Color) -> tuple[Color, Color]:
    return mix(color, (255, 255, 255), 0.12), mix(color, (0, 0, 0), 0.25)


def _box(x: float, y: float, width: float, height: float, color: Color) -> Shape:
    return Shape(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), color)


def _draw_room(rng: np.random.Generator) -> tuple[Shape, ...]:
    shapes = [_box(-2, -0.05, 4, 0.055, draw_color(rng, (60, 220)))]  # skirting
    shapes += _strew_room(rng)
    if rng.random() < 0.6:  # boards
        board = draw_color(rng, (40, 150))
        for x in np.arange(-4.0, 4.0, float(rng.uniform(0.25, 0.6))):
            far = float(x)
            shapes.append(
                Shape(((far, 0.0), (far + 0.008, 0.0), (2.6 * far + 0.03, 1.6), (2.6 * far, 1.6)), board)
            )
    return tuple(shapes)


def _strew_room(rng: np.random.Generator) -> list[Shape]:
    """Pictures, windows and furniture."""
    shapes: list[Shape] = []
    for _ in range(int(rng.integers(1, 6))):
        x, y = float(rng.uniform(-_REACH, _REACH)), float(rng.uniform(-1.3, -0.25))
        width, height = float(rng.uniform(0.12, 0.45)), float(rng.uniform(0.12, 0.4))
        frame, inside = draw_color(rng, (40, 220)), draw_color(rng, (90, 250))
        shapes += [_box(x, y, width, height, frame)]
        shapes += [_box(x + 0.02, y + 0.02, width - 0.04, height - 0.04, inside)]
        if rng.random() < 0.5:  # a window: its bars
            shapes += [_box(x + width / 2 - 0.008, y, 0.016, height, frame)]
    for _ in range(int(rng.integers(0, 3))):
        x, height = float(rng.uniform(-_REACH, _REACH)), float(rng.uniform(0.2, 0.7))
        shapes += [_box(x, 0.03 - height, float(rng.uniform(0.15, 0.5)), height, draw_color(rng, (40, 200)))]
    return shapes


def _draw_street(rng: np.random.Generator) -> tuple[Shape, ...]:
    shapes = _strew_street(rng)
    shapes.append(_box(-2, 0.0, 4, 0.05, draw_color(rng, (120, 200))))  # pavement
    return tuple(shapes)


def _strew_street(rng: np.random.Generator) -> list[Shape]:
    """Houses."""
    shapes: list[Shape] = []
    x = -1.6
    while x < 1.6:
        width, height = float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.4, 1.4))
        wall = draw_color(rng, (60, 215))
        shapes.append(_box(x, -height, width, height + 0.02, wall))
        pane = mix(draw_color(rng, (30, 90)), (250, 225, 150), float(rng.random() < 0.3))
        for left in np.arange(0.05, width - 0.08, 0.15):
            for top in np.arange(0.08, height - 0.12, 0.2):
                shapes.append(_box(x + float(left), float(top) - height, 0.07, 0.1, pane))
        x += width
    return shapes


def _draw_field(rng: np.random.Generator) -> tuple[Shape, ...]:
    shapes: list[Shape] = []
    if rng.random() < 0.6:
        sun = (float(rng.uniform(-1, 1)), float(rng.uniform(-1.2, -0.5)))
        shapes.append(Shape((sun,), (255, 244, 210), (0.09, 0.09)))
    return (*shapes, *_strew_field(rng))


def _strew_field(rng: np.random.Generator) -> list[Shape]:
    """Hills and trees."""
    shapes: list[Shape] = []
    for _ in range(int(rng.integers(1, 4))):
        x, hill = float(rng.uniform(-_REACH, _REACH)), mix(draw_color(rng, (60, 170)), (90, 120, 90), 0.5)
        shapes.append(
            Shape(((x, 0.02),), hill, (float(rng.uniform(0.4, 1.2)), float(rng.uniform(0.1, 0.35))))
        )
    for _ in range(int(rng.integers(0, 7))):
        x, height = float(rng.uniform(-_REACH, _REACH)), float(rng.uniform(0.2, 0.7))
        crown = mix((60, 110, 50), draw_color(rng, (30, 200)), 0.35)
        shapes.append(_box(x - 0.02, -0.5 * height, 0.04, 0.5 * height + 0.02, (84, 60, 42)))
        shapes.append(Shape(((x, -0.7 * height),), crown, (0.3 * height, 0.35 * height)))
    return shapes
