"""Close-up: one window for all frames of a clip (paper, f_cu)."""

from dataclasses import dataclass
from typing import ClassVar, get_args

import torch
from torch import Tensor

from cinefoley.config.variations import Placement, check_scale_range
from cinefoley.variations.variation import Variation, draw_uniform, within
from cinefoley.variations.window import Kind, Window

__all__ = ["CloseUp", "close_up", "draw_scale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseUp(Variation):
    """Show the same part of every frame, as a close-up does.

    Source: paper, Eq. (1): ``H' = r_h H``, ``W' = r_w W``, ``r_h, r_w ~ U(a_1, a_2)``, drawn one by one.
    Reading: the paper gives the window's size, not its place; it is centred unless ``placement`` says
    otherwise.

    Raises:
        ValueError: If ``scale_range`` is not ordered inside (0, 1], or there is no such placement.

    Examples:
        >>> window = CloseUp().draw((240, 320), generator=torch.Generator().manual_seed(0))
        >>> window.crop_size
        (143, 173)
    """

    kind: ClassVar[Kind] = "close_up"
    scale_range: tuple[float, float] = (0.4, 0.6)
    """``(a_1, a_2)``, the fraction of each side that is kept, in (0, 1]."""
    placement: Placement = "center"
    """Where the window sits."""

    def __post_init__(self) -> None:
        check_scale_range(self.scale_range)
        if self.placement not in get_args(Placement):
            raise ValueError(f"placement must be one of {get_args(Placement)}, got {self.placement!r}")

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw a window: its height and width, then its place where that is left to chance."""
        drawn = draw_uniform(2 if self.placement == "center" else 4, generator)
        place = (drawn[2], drawn[3]) if self.placement == "uniform" else (0.5, 0.5)
        scale = draw_scale(self.scale_range, drawn[0], drawn[1])
        return Window(kind=self.kind, size=size, scale=scale, start=place, end=place)


def close_up(
    video: Tensor, *, scale_range: tuple[float, float] = (0.4, 0.6), generator: torch.Generator | None = None
) -> Tensor:
    """Crop every frame of a clip to one centred window of random size, as a close-up does.

    Source: paper, Eq. (1): ``H' = r_h H``, ``W' = r_w W``, ``r_h, r_w ~ U(a_1, a_2)``.
    Reading: the paper gives the window's size, not its place; we centre it (:class:`CloseUp` also offers
    uniform places).

    Args:
        video: Frames, ``(..., T, C, H, W)``, any dtype, before the encoder's square resize.
        scale_range: ``(a_1, a_2)``, the fraction of each side that is kept, in (0, 1].
        generator: Source of every draw; the same seed gives the same window.

    Returns:
        A view of ``video``, ``(..., T, C, H', W')``, each side rounded, at least 1 pixel.

    Raises:
        ValueError: If ``scale_range`` is not ordered inside (0, 1].

    Examples:
        >>> close_up(torch.zeros(32, 3, 240, 320), scale_range=(0.5, 0.5)).shape
        torch.Size([32, 3, 120, 160])
    """
    return CloseUp(scale_range=scale_range)(video, generator=generator)


def draw_scale(scale_range: tuple[float, float], *drawn: float) -> tuple[float, float]:
    """Turn two numbers of [0, 1) into ``(r_h, r_w)``; rounding cannot carry them out of the range."""
    r_h, r_w = (within(scale_range, number) for number in drawn)
    return r_h, r_w
