"""Zoom: push in to the middle of the frame, or pull out from it."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch

from cinefoley.config.film_language import ZOOM_SCALE, Range, ZoomDirection, check_range
from cinefoley.variations.paths import Keyframe, Path
from cinefoley.variations.variation import Variation, draw_uniform, within
from cinefoley.variations.window import Kind, Window

__all__ = ["Zoom"]

_REST = 0.2  # of the clip, at most, before and after


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoom(Variation):
    """Change the size of what is shown, around the middle of the frame.

    Source: Brown, *Cinematography*: push in and pull out. It starts and stops smoothly; in between, sizes
    grow by equal factors in equal times, which looks like one speed.

    Raises:
        ValueError: If ``scale_range`` is not ordered inside (0, 1], or there is no such direction.

    Examples:
        >>> window = Zoom(direction="in", scale_range=(0.5, 0.5)).draw((240, 320))
        >>> window.box_at(0), window.box_at(1)
        ((0, 0, 320, 240), (80, 60, 240, 180))
    """

    kind: ClassVar[Kind] = "zoom"
    _least_s: ClassVar[float] = 1.0
    scale_range: Range = ZOOM_SCALE
    """Part of each side that the narrow end shows, in (0, 1]."""
    direction: ZoomDirection | Literal["auto"] = "auto"
    """In, out, or one of the two at random."""

    def __post_init__(self) -> None:
        check_range("scale_range", self.scale_range, low=1e-3, high=1.0)
        if self.direction not in ("auto", *get_args(ZoomDirection)):
            raise ValueError(
                f"direction must be 'auto' or one of {get_args(ZoomDirection)}, got {self.direction!r}"
            )

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw the narrow end, the direction, and how long the zoom rests before and after."""
        r, way, before, after = draw_uniform(4, generator)
        narrow = within(self.scale_range, r)
        scales = [1.0, narrow]
        if self.direction == "out" or (self.direction == "auto" and way >= 0.5):
            scales.reverse()
        keys = (
            Keyframe(progress=_REST * before, scale=(scales[0], scales[0])),
            Keyframe(progress=1 - _REST * after, scale=(scales[1], scales[1])),
        )
        return Window(kind=self.kind, size=size, paths=(Path(keys=keys, easing="smooth"),))
