"""Random mixture of variations: vary a share of the clips, leave the others as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite, nextafter
from typing import Self

import torch

from cinefoley.config.variations import FilmVariationConfig, VariationConfig
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp
from cinefoley.variations.techniques import TECHNIQUES
from cinefoley.variations.variation import Variation, draw_uniform
from cinefoley.variations.window import Window

__all__ = ["Mixture"]

_PAPERS = (CloseUp.kind, CameraMovement.kind)


@dataclass(frozen=True, slots=True)
class Mixture(Variation):
    """Show a proportion of clips with a variation, drawn from several, and the rest as they are.

    Source: paper, ``k``: 75 % of close-ups in the main setting, 66.7 % where close-ups and camera movements
    are mixed 1:1.
    Reading: each clip is decided on its own, so the proportion holds on average, not in every batch.

    Raises:
        ValueError: If there is no variation, ``variation_proportion`` is outside [0, 1], or the weights are
            not one number of 0 or more for each variation with a positive sum.

    Examples:
        >>> mixture = Mixture([CloseUp(), CameraMovement()], variation_proportion=1.0, weights=(0, 1))
        >>> mixture.draw((240, 320)).kind
        'camera_movement'
    """

    variations: Sequence[Variation]
    """What is drawn from."""
    variation_proportion: float = 0.75
    """``k``: share of clips that are varied, in [0, 1]."""
    weights: Sequence[float] | None = None
    """How often each variation is taken, in proportion; None takes all equally often."""

    def __post_init__(self) -> None:
        if not self.variations:
            raise ValueError("a mixture needs at least one variation")
        if not 0 <= self.variation_proportion <= 1:
            raise ValueError(f"variation_proportion must be in [0, 1], got {self.variation_proportion}")
        weights = self._weights()
        is_sound = all(isfinite(weight) and weight >= 0 for weight in weights) and sum(weights) > 0
        if len(weights) != len(self.variations) or not is_sound:
            raise ValueError(
                f"{len(self.variations)} variations need as many weights of 0 or more with a positive sum, "
                f"got {tuple(weights)}"
            )

    @property
    def least_s(self) -> float:
        """Seconds that the most demanding of the variations needs."""
        return max(variation.least_s for variation in self.variations)

    @classmethod
    def from_config(cls, config: VariationConfig) -> Self:
        """The mixture that a configuration describes."""
        variations: tuple[Variation, ...] = (
            CloseUp(scale_range=config.scale_range, placement=config.placement),
            CameraMovement(scale_range=config.scale_range, direction=config.direction),
        )
        weights: tuple[float, ...] = (config.close_up_weight, config.camera_movement_weight)
        if isinstance(config, FilmVariationConfig):
            others = tuple(make() for kind, make in TECHNIQUES.items() if kind not in _PAPERS)
            variations += others
            weights += (config.technique_weight,) * len(others)
        return cls(variations, config.variation_proportion, weights)

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw whether to vary and with what, then that variation's window; else the whole frame."""
        chance, choice = draw_uniform(2, generator)
        if chance >= self.variation_proportion:
            return Window(kind="none", size=size)
        sums = list(accumulate(self._weights()))
        largest = nextafter(sums[-1], 0)  # a product with a number below 1 may still be rounded up to the sum
        chosen = next(n for n, upto in enumerate(sums) if min(choice * sums[-1], largest) < upto)
        return self.variations[chosen].draw(size, generator=generator)

    def _weights(self) -> Sequence[float]:
        return (1.0,) * len(self.variations) if self.weights is None else self.weights
