"""Rack focus: the clip goes out of focus, or comes into it."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from cinefoley.config.film_language import FOCUS_BLUR, FOCUS_TIME_S, Range, check_range
from cinefoley.variations.effects import Defocus
from cinefoley.variations.variation import Variation, draw_uniform, within
from cinefoley.variations.window import Kind, Window

__all__ = ["RackFocus"]

_BEGIN = (0.1, 0.7)  # of the clip


@dataclass(frozen=True, slots=True, kw_only=True)
class RackFocus(Variation):
    """Pull the focus away from everything in the frame, or onto it.

    Source: Bordwell and Thompson, *Film Art*: racking focus. A clip has no depth, so all of the frame is
    treated as if it were at one distance.

    Raises:
        ValueError: If a range is crossed or outside its bounds.
    """

    kind: ClassVar[Kind] = "rack_focus"
    _least_s: ClassVar[float] = 1.0
    blur_range: Range = FOCUS_BLUR
    """Standard deviation of the blur when out of focus, as a fraction of the shorter side."""
    time_range: Range = FOCUS_TIME_S
    """Seconds that the change takes, above 0."""

    def __post_init__(self) -> None:
        check_range("blur_range", self.blur_range, high=0.5)
        check_range("time_range", self.time_range, low=1e-3)

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw the blur, its begin and length, and whether it comes or goes."""
        blur, begin, lasts, way = draw_uniform(4, generator)
        most = within(self.blur_range, blur)
        effect = Defocus(
            start=0.0 if way < 0.5 else most,
            end=most if way < 0.5 else 0.0,
            begin=within(_BEGIN, begin),
            lasts_s=within(self.time_range, lasts),
        )
        return Window(kind=self.kind, size=size, effects=(effect,))
