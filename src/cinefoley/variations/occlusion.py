"""Occlusion: something passes in front of the camera."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from cinefoley.config.film_language import OCCLUDER_TIME_S, OCCLUDER_WIDTH, Range, check_range
from cinefoley.variations.effects import Occluder
from cinefoley.variations.variation import Variation, draw_uniform, within
from cinefoley.variations.window import Kind, Window

__all__ = ["Occlusion"]

_BEGIN = (0.05, 0.6)  # of the clip
_DARK = (0.03, 0.35)  # brightness: it is not lit


@dataclass(frozen=True, slots=True, kw_only=True)
class Occlusion(Variation):
    """Let something dark and out of focus cross the frame close to the camera.

    Source: Bordwell and Thompson, *Film Art*: a passing foreground figure blocks the view (the natural wipe).

    Raises:
        ValueError: If a range is crossed or outside its bounds.
    """

    kind: ClassVar[Kind] = "occlusion"
    _least_s: ClassVar[float] = 1.0
    width_range: Range = OCCLUDER_WIDTH
    """Width, as a fraction of the frame's, in (0, 1]."""
    time_range: Range = OCCLUDER_TIME_S
    """Seconds from entering to leaving the frame, above 0."""

    def __post_init__(self) -> None:
        check_range("width_range", self.width_range, low=1e-3, high=1.0)
        check_range("time_range", self.time_range, low=1e-3)

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw width, side, begin, length and colour."""
        width, way, begin, lasts, red, green, blue = draw_uniform(7, generator)
        effect = Occluder(
            width=within(self.width_range, width),
            moves_right=way < 0.5,
            begin=within(_BEGIN, begin),
            lasts_s=within(self.time_range, lasts),
            colour=(within(_DARK, red), within(_DARK, green), within(_DARK, blue)),
        )
        return Window(kind=self.kind, size=size, effects=(effect,))
