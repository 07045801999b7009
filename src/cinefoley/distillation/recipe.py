"""Distillation recipe: variation, loss and schedule of a student's training, as typed settings."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from cinefoley.config.recipes import ScheduleRecipe
from cinefoley.config.variations import VariationConfig

__all__ = ["DistillationRecipe", "FeatureSpace"]

FeatureSpace = Literal["normalized", "raw"]
"""Which features are compared: those divided by their norm, as the generator reads them, or raw ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationRecipe:
    """Training of the student video encoder (paper, Section 4)."""

    name: str
    """Name for ``--preset``."""
    variation: VariationConfig
    """Variation of the clips that the student sees, and the share of varied clips."""
    schedule: ScheduleRecipe
    """Length, batch size, optimiser and learning rate; one epoch shows every clip once."""
    feature_space: FeatureSpace = "normalized"
    """Whether the loss compares features after normalisation to unit length, or raw. The paper does not
    say."""
    cosine_weight: float = 1.0
    """Weight of the cosine distance in Eq. (2)."""
    mse_weight: float = 1.0
    """Weight of the squared error in Eq. (2)."""
    batch_norm: Literal["train", "frozen"] = "frozen"
    """BatchNorm statistics: those of the varied clips (train), or the teacher's (frozen). The paper does not
    say."""

    def with_options(
        self,
        *,
        scale_range: tuple[float, float] | None = None,
        max_grad_norm: float | None = None,
    ) -> Self:
        """The recipe with options that both ``distill`` and ``reproduce`` have; None keeps its own value.

        Args:
            scale_range: In place of that of the variation.
            max_grad_norm: In place of that of the schedule; 0 does not clip.

        Raises:
            ValueError: If a value is out of range.
        """
        recipe = self
        if scale_range is not None:
            recipe = replace(recipe, variation=replace(recipe.variation, scale_range=scale_range))
        if max_grad_norm is not None:
            recipe = replace(recipe, schedule=replace(recipe.schedule, max_grad_norm=max_grad_norm or None))
        return recipe

    @property
    def loss_settings(self) -> dict[str, object]:
        """The settings of the loss, which a resumed run must repeat."""
        return {name: getattr(self, name) for name in ("feature_space", "cosine_weight", "mse_weight")}

    def __post_init__(self) -> None:
        if self.feature_space not in ("normalized", "raw"):
            raise ValueError(f"feature_space must be 'normalized' or 'raw', got {self.feature_space!r}")
        if self.batch_norm not in ("train", "frozen"):
            raise ValueError(f"batch_norm must be 'train' or 'frozen', got {self.batch_norm!r}")
        weights = self.cosine_weight, self.mse_weight
        if not min(weights) >= 0 or not 0 < sum(weights) < float("inf"):
            raise ValueError(
                f"weights of the loss must be 0 or more, and one of them positive, got {weights}"
            )
