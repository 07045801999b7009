"""Cut: two framings of one clip, the second from a drawn time on."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from cinefoley.config.film_language import CUT_CLOSE, CUT_TIME, CUT_WIDE, Range, check_range
from cinefoley.variations.paths import Keyframe, Path
from cinefoley.variations.variation import Variation, draw_uniform, within
from cinefoley.variations.window import Kind, Window

__all__ = ["Cut"]

_MIDDLE = (0.2, 0.8)  # places of the closer framing


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Variation):
    """Change from a wide framing to a closer one, or back, between two frames.

    Source: Bordwell and Thompson, *Film Art*: a cut-in and a cut-back within one action. The two sizes differ
    clearly, since smaller changes read as a jump cut.

    Raises:
        ValueError: If a range is crossed or outside its bounds.
    """

    kind: ClassVar[Kind] = "cut"
    _least_s: ClassVar[float] = 1.0
    time_range: Range = CUT_TIME
    """Time of the cut, as a fraction of the clip, in [0, 1]."""
    wide_range: Range = CUT_WIDE
    """Part of each side that the wider framing shows, in (0, 1]."""
    close_range: Range = CUT_CLOSE
    """Part of each side that the closer framing shows, in (0, 1]."""

    def __post_init__(self) -> None:
        check_range("time_range", self.time_range, high=1.0)
        check_range("wide_range", self.wide_range, low=1e-3, high=1.0)
        check_range("close_range", self.close_range, low=1e-3, high=self.wide_range[0])

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw the time, both sizes, the place of the closer framing, and which comes first."""
        time, wide, close, down, across, order = draw_uniform(6, generator)
        sizes = within(self.wide_range, wide), within(self.close_range, close)
        framings = [
            {"scale": (sizes[0], sizes[0])},
            {"scale": (sizes[1], sizes[1]), "place": (within(_MIDDLE, down), within(_MIDDLE, across))},
        ]
        if order >= 0.5:
            framings.reverse()
        keys = (
            Keyframe(progress=0.0, **framings[0]),
            Keyframe(progress=within(self.time_range, time), **framings[1]),
        )
        return Window(kind=self.kind, size=size, paths=(Path(keys=keys, easing="cut"),))
