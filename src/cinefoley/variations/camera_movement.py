"""Camera movement: a window that crosses the frame while the clip runs (paper, f_cm)."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from cinefoley.config.variations import Direction, check_scale_range
from cinefoley.variations.close_up import draw_scale
from cinefoley.variations.variation import Variation, draw_uniform
from cinefoley.variations.window import Kind, Window

__all__ = ["CameraMovement", "camera_movement"]

_PATHS: dict[Direction, tuple[tuple[float, float], tuple[float, float]]] = {
    "left": ((0.5, 1.0), (0.5, 0.0)),
    "right": ((0.5, 0.0), (0.5, 1.0)),
    "up": ((1.0, 0.5), (0.0, 0.5)),
    "down": ((0.0, 0.5), (1.0, 0.5)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraMovement(Variation):
    """Let a window of constant size cross the frame, as a moving camera does.

    Source: paper, f_cm: the window of Eq. (1), moving along the central axis, left or right at random where
    the frame is wider than high, up or down where it is higher than wide.
    Reading: constant speed from one border in the first frame to the other in the last. A square frame draws
    one of the four directions. ``left`` means that the window moves to the left: what is shown begins at the
    right border.

    Raises:
        ValueError: If ``scale_range`` is not ordered inside (0, 1], or there is no such direction.

    Examples:
        >>> window = CameraMovement(direction="right", scale_range=(0.5, 0.5)).draw((100, 200))
        >>> window.boxes(3)[:, 0]
        tensor([  0,  50, 100])
    """

    kind: ClassVar[Kind] = "camera_movement"
    scale_range: tuple[float, float] = (0.4, 0.6)
    """``(a_1, a_2)``, the fraction of each side that is kept, in (0, 1]."""
    direction: Direction | Literal["auto"] = "auto"
    """The way the window moves; ``auto`` draws it as the paper says."""

    def __post_init__(self) -> None:
        check_scale_range(self.scale_range)
        if self.direction not in ("auto", *get_args(Direction)):
            raise ValueError(
                f"direction must be 'auto' or one of {get_args(Direction)}, got {self.direction!r}"
            )

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw a window: its height and width, as :class:`CloseUp` draws them, then its direction."""
        r_h, r_w, choice = draw_uniform(3, generator)
        direction = self.direction
        if direction == "auto":
            directions = _directions_along_longer_side(size)
            direction = directions[int(choice * len(directions))]
        start, end = _PATHS[direction]
        return Window(
            kind=self.kind,
            size=size,
            scale=draw_scale(self.scale_range, r_h, r_w),
            start=start,
            end=end,
            direction=direction,
        )


def camera_movement(
    video: Tensor, *, scale_range: tuple[float, float] = (0.4, 0.6), generator: torch.Generator | None = None
) -> Tensor:
    """Crop the frames of a clip to a window of random size that crosses them, as a moving camera does.

    Source: paper, f_cm: along the central axis, left or right where W > H, up or down where H > W.
    Reading: constant speed from border to border; a square frame draws one of the four directions.

    Args:
        video: Frames, ``(..., T, C, H, W)``, T >= 2, any dtype, before the encoder's square resize.
        scale_range: ``(a_1, a_2)``, the fraction of each side that is kept, in (0, 1].
        generator: Source of every draw; the same seed gives the same window.

    Returns:
        A copy, ``(..., T, C, H', W')``, each side rounded, at least 1 pixel.

    Raises:
        ValueError: If ``scale_range`` is not ordered inside (0, 1], or the clip has fewer than two frames.

    Examples:
        >>> camera_movement(torch.zeros(32, 3, 240, 320), scale_range=(0.5, 0.5)).shape
        torch.Size([32, 3, 120, 160])
    """
    return CameraMovement(scale_range=scale_range)(video, generator=generator)


def _directions_along_longer_side(size: tuple[int, int]) -> tuple[Direction, ...]:
    height, width = size
    if width > height:
        return "left", "right"
    if height > width:
        return "up", "down"
    return "left", "right", "up", "down"
