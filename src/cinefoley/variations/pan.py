"""Pan and tilt: a window that crosses part of the frame, starting and stopping smoothly."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from cinefoley.config.film_language import PAN_SCALE, PAN_TRAVEL, Range, check_range
from cinefoley.config.variations import Direction
from cinefoley.variations.close_up import draw_scale
from cinefoley.variations.paths import Keyframe, Path
from cinefoley.variations.variation import Variation, draw_uniform, within
from cinefoley.variations.window import Kind, Window

__all__ = ["Pan", "Tilt"]

_REST = 0.25  # of the clip, at most, before and after


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move(Variation):
    """What pan and tilt share."""

    _least_s: ClassVar[float] = 1.0
    _ways: ClassVar[tuple[Direction, Direction]]
    scale_range: Range = PAN_SCALE
    """Part of each side that is shown, in (0, 1]."""
    travel_range: Range = PAN_TRAVEL
    """Part of the free margin that is crossed, in [0, 1]."""

    def __post_init__(self) -> None:
        check_range("scale_range", self.scale_range, low=1e-3, high=1.0)
        check_range("travel_range", self.travel_range, high=1.0)

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw the window's size, where it begins, how far and which way it moves, and when it rests."""
        r_h, r_w, way, distance, margin, before, after = draw_uniform(7, generator)
        scale = draw_scale(self.scale_range, r_h, r_w)
        travel = within(self.travel_range, distance)
        low = (1 - travel) * margin
        places = [low, min(1.0, low + travel)]
        forwards, backwards = self._ways
        if way >= 0.5:
            places.reverse()
        first, last = ((at, 0.5) if forwards == "down" else (0.5, at) for at in places)
        keys = (
            Keyframe(progress=_REST * before, scale=scale, place=first),
            Keyframe(progress=1 - _REST * after, scale=scale, place=last),
        )
        return Window(
            kind=self.kind,
            size=size,
            paths=(Path(keys=keys, easing="smooth"),),
            direction=backwards if way >= 0.5 else forwards,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pan(_Move):
    """Turn the camera to the left or to the right over part of the frame.

    Source: Brown, *Cinematography*: a pan begins and ends at rest on a composed frame. The paper's camera
    movement is another one: it crosses the whole frame at constant speed
    (:class:`~cinefoley.variations.camera_movement.CameraMovement`).

    Raises:
        ValueError: If a range is crossed or outside its bounds.

    Examples:
        >>> window = Pan(scale_range=(0.5, 0.5), travel_range=(1, 1)).draw((240, 320))
        >>> sorted([window.box_at(0), window.box_at(1)])
        [(0, 60, 160, 180), (160, 60, 320, 180)]
    """

    kind: ClassVar[Kind] = "pan"
    _ways: ClassVar[tuple[Direction, Direction]] = ("right", "left")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tilt(_Move):
    """Turn the camera up or down over part of the frame, as :class:`Pan` turns it sideways.

    Raises:
        ValueError: If a range is crossed or outside its bounds.
    """

    kind: ClassVar[Kind] = "tilt"
    _ways: ClassVar[tuple[Direction, Direction]] = ("down", "up")
