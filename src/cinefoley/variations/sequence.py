"""Sequence: several variations at once, such as a hand-held close-up behind an occluder."""

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from cinefoley.variations.paths import Keyframe, Path
from cinefoley.variations.variation import Variation
from cinefoley.variations.window import Kind, Window

__all__ = ["Sequence"]


@dataclass(frozen=True, slots=True)
class Sequence(Variation):
    """Apply several variations to one clip, each to what the one before shows.

    Reading: framings come first, in their order, since they are where the camera looks; effects come after
    them, in their order, since light, lens and bars are in front of what it sees.

    Raises:
        ValueError: If there is no variation.

    Examples:
        >>> from cinefoley.variations.close_up import CloseUp
        >>> from cinefoley.variations.zoom import Zoom
        >>> both = Sequence([CloseUp(scale_range=(0.5, 0.5)), Zoom(scale_range=(0.5, 0.5), direction="in")])
        >>> both.draw((240, 320)).box_at(1)
        (120, 90, 200, 150)
    """

    kind: ClassVar[Kind] = "sequence"
    variations: SequenceOf[Variation]
    """In the order in which they are drawn and applied."""

    def __post_init__(self) -> None:
        if not self.variations:
            raise ValueError("a sequence needs at least one variation")

    @property
    def least_s(self) -> float:
        """Seconds that the most demanding of them needs."""
        return max(variation.least_s for variation in self.variations)

    def describe(self) -> dict[str, Any]:
        """Kind, and the descriptions of all variations."""
        return {"variation": self.kind, "variations": [each.describe() for each in self.variations]}

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw every variation, for frames of the size that the one before leaves."""
        windows: list[Window] = []
        shown = size
        for variation in self.variations:
            windows.append(variation.draw(shown, generator=generator))
            shown = windows[-1].crop_size
        return Window(
            kind=self.kind,
            size=size,
            paths=tuple(path for window in windows for path in _paths(window)),
            effects=tuple(effect for window in windows for effect in window.effects),
        )


def _paths(window: Window) -> tuple[Path, ...]:
    """A window's framings as paths; none for one that shows the whole frame."""
    if window.paths or (window.scale == (1.0, 1.0) and not window.is_moving):
        return window.paths
    ends = (0.0, window.start), (1.0, window.end)
    return (Path(keys=tuple(Keyframe(progress=t, scale=window.scale, place=at) for t, at in ends)),)
