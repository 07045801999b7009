"""Figures: people whose arms reach to given points."""

from dataclasses import dataclass

import numpy as np

from cinefoley.stage.canvas import Canvas, Color, Point, mix

__all__ = ["FLOOR", "Look", "draw_color", "draw_figure", "draw_look"]

FLOOR = 0.45
"""Height of the floor in the actor's coordinates (y points down)."""

_DARK: Color = (22, 20, 24)


@dataclass(frozen=True, slots=True)
class Look:
    """Colours of a person."""

    skin: Color
    cloth: Color
    trousers: Color
    hair: Color


def draw_color(rng: np.random.Generator, limits: tuple[float, float]) -> Color:
    """Random colour, every channel within ``limits``."""
    red, green, blue = rng.uniform(*limits, 3)
    return float(red), float(green), float(blue)


def draw_look(rng: np.random.Generator) -> Look:
    """Random colours of a person."""
    return Look(
        skin=mix((92, 58, 40), (246, 208, 176), float(rng.random())),
        cloth=draw_color(rng, (25, 235)),
        trousers=draw_color(rng, (20, 150)),
        hair=mix((25, 20, 18), (190, 140, 80), float(rng.random()) ** 2),
    )


def draw_figure(
    canvas: Canvas,
    hips: Point,
    look: Look,
    *,
    hand: Point | None = None,
    other_hand: Point | None = None,
    lean: float = 0.0,
    nod: float = 0.0,
    is_seated: bool = False,
) -> Point:
    """Draw a person with the hips at ``hips``, the feet on the floor and arms reaching to the hands.

    Args:
        canvas: Drawn on.
        hips: Where the legs begin.
        look: Colours.
        hand: Where the nearer arm reaches; None leaves it out.
        other_hand: Where the farther arm reaches; None lets it hang.
        lean: How far the shoulders are ahead of the hips, to the right; about -1 to 2.
        nod: How far the head is bowed, in [0, 1].
        is_seated: Whether the thighs are level.

    Returns:
        The shoulder's place.
    """
    x, y = hips
    shoulder = (x + 0.10 * lean, y - 0.34 + 0.02 * abs(lean))
    shade = mix(look.cloth, _DARK, 0.35)
    _draw_arm(canvas, (shoulder[0] + 0.02, shoulder[1]), other_hand or (x + 0.12, y + 0.02), shade, look.skin)
    for foot in (-0.085, 0.075):
        ankle = (x + foot, FLOOR - 0.03)
        if is_seated:
            knee = (x + 0.18 + foot, y + 0.02)
            ankle = (x + 0.17 + foot, FLOOR - 0.03)
        else:
            knee = (x + foot * 0.9 + 0.03 * lean, (y + FLOOR) / 2)
        canvas.line(hips, knee, look.trousers, width=0.10)
        canvas.line(knee, ankle, mix(look.trousers, _DARK, 0.15), width=0.08)
        canvas.line(ankle, (ankle[0] + 0.06, FLOOR - 0.015), _DARK, width=0.05)
    canvas.line(hips, shoulder, look.cloth, width=0.18)
    head = (shoulder[0] + 0.03 * lean + 0.06 * nod, shoulder[1] - 0.17 + 0.06 * nod)
    canvas.line(shoulder, head, look.skin, width=0.06)
    canvas.circle(head, 0.088, look.skin)
    canvas.ellipse((head[0] - 0.018, head[1] - 0.042), (0.086, 0.055), look.hair)
    if hand is not None:
        _draw_arm(canvas, shoulder, hand, mix(look.cloth, (255, 255, 255), 0.12), look.skin)
    return shoulder


def _draw_arm(canvas: Canvas, shoulder: Point, hand: Point, sleeve: Color, skin: Color) -> None:
    elbow = ((shoulder[0] + hand[0]) / 2 - 0.05, (shoulder[1] + hand[1]) / 2 + 0.07)
    canvas.line(shoulder, elbow, sleeve, width=0.075)
    canvas.line(elbow, hand, skin, width=0.058)
    canvas.circle(hand, 0.034, skin)
