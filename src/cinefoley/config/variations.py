"""Variation settings: close-ups and camera movements, their windows, and the share of varied clips."""

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Direction",
    "FilmVariationConfig",
    "Kind",
    "Placement",
    "Technique",
    "VariationConfig",
    "check_scale_range",
]

Placement = Literal["center", "uniform"]
"""Position of a close-up's window: in the middle of the frame, or uniformly distributed in it."""

Direction = Literal["left", "right", "up", "down"]
"""Direction in which a window moves through the frame."""


Technique = Literal[
    "close_up",
    "camera_movement",
    "zoom",
    "handheld",
    "pan",
    "tilt",
    "cut",
    "rack_focus",
    "light_change",
    "occlusion",
    "aspect_mask",
]
"""Close-ups, camera movements, and the other techniques of film language."""

Kind = Literal["none", Technique, "sequence"]
"""Which variation a window belongs to; ``none`` shows the whole frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariationConfig:
    """How clips are varied in training and in test sets. The defaults are the paper's main setting."""

    scale_range: tuple[float, float] = (0.4, 0.6)
    """Smallest and largest fraction of each side that a window keeps: ``a_1, a_2`` of Eq. (1), in (0, 1]."""
    placement: Placement = "center"
    """Position of a close-up's window: centred, or anywhere in the frame. The paper does not say."""
    direction: Direction | Literal["auto"] = "auto"
    """Direction of a camera movement; ``auto`` draws one of the two along the longer side of the frame."""
    variation_proportion: float = 0.75
    """Share of clips shown with a variation: the paper's ``k``, in [0, 1]."""
    close_up_weight: float = 1.0
    """How often a varied clip is a close-up, in proportion to ``camera_movement_weight``."""
    camera_movement_weight: float = 0.0
    """How often a varied clip is a camera movement, in proportion to ``close_up_weight``."""

    @property
    def weights(self) -> tuple[float, ...]:
        """How often each variation is drawn, in proportion: close-ups, camera movements, and any others."""
        return self.close_up_weight, self.camera_movement_weight

    def __post_init__(self) -> None:
        check_scale_range(self.scale_range)
        if not 0 <= self.variation_proportion <= 1:
            raise ValueError(f"variation_proportion must be in [0, 1], got {self.variation_proportion}")
        weights = self.weights
        if not min(weights) >= 0 or not 0 < sum(weights) < float("inf"):
            raise ValueError(f"weights must be 0 or more, and one of them positive, got {weights}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmVariationConfig(VariationConfig):
    """How clips are varied with every technique of film language."""

    technique_weight: float = 1.0
    """How often a varied clip shows each other technique, in proportion to ``close_up_weight``."""

    @property
    def weights(self) -> tuple[float, ...]:
        """How often each variation is drawn, in proportion: close-ups, camera movements, and any others."""
        return self.close_up_weight, self.camera_movement_weight, self.technique_weight


def check_scale_range(scale_range: tuple[float, float]) -> None:
    """Check a range of kept fractions.

    Raises:
        ValueError: If it is not ordered inside (0, 1].
    """
    low, high = scale_range
    if not 0 < low <= high <= 1:
        raise ValueError(f"scale_range must be ordered inside (0, 1], got ({low}, {high})")
