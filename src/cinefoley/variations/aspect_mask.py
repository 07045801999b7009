"""Aspect mask: letterbox or pillarbox, the black bars of another format."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from cinefoley.config.film_language import ASPECTS
from cinefoley.variations.effects import Bars
from cinefoley.variations.variation import Variation, draw_uniform
from cinefoley.variations.window import Kind, Window

__all__ = ["AspectMask"]

_LEAST_CHANGE = 1.1  # formats closer than this to the frame's own leave hardly any bars


@dataclass(frozen=True, slots=True, kw_only=True)
class AspectMask(Variation):
    """Cover the frame's upper and lower edge, or its sides, so that another format remains visible.

    Source: the formats of cinema and television: :data:`~cinefoley.config.film_language.ASPECTS`.

    Raises:
        ValueError: If there is no format, or one is not a positive number.

    Examples:
        >>> AspectMask(aspects=(2.0,)).draw((100, 100)).effects[0].height
        0.25
    """

    kind: ClassVar[Kind] = "aspect_mask"
    aspects: tuple[float, ...] = ASPECTS
    """Width over height; one is drawn of those that differ from the frame's by a tenth or more."""

    def __post_init__(self) -> None:
        if not self.aspects or not all(0 < aspect < float("inf") for aspect in self.aspects):
            raise ValueError(f"aspects must be positive numbers, one or more, got {self.aspects}")

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw a format; wider ones are letterboxed, narrower ones pillarboxed."""
        (choice,) = draw_uniform(1, generator)
        shown = size[1] / size[0]
        others = [a for a in self.aspects if max(a / shown, shown / a) >= _LEAST_CHANGE] or [shown]
        aspect = others[int(choice * len(others))]
        bars = Bars(
            height=max(0.0, (1 - shown / aspect) / 2),
            width=max(0.0, (1 - aspect / shown) / 2),
        )
        return Window(kind=self.kind, size=size, effects=(bars,))
