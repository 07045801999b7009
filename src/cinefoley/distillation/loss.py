"""Distillation loss (Eq. 2): cosine distance plus squared error between student and teacher features."""

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.distillation.recipe import DistillationRecipe

__all__ = ["distillation_loss", "distillation_terms", "training_losses"]


def distillation_loss(
    student_features: Tensor,
    teacher_features: Tensor,
    *,
    cosine_weight: float = 1.0,
    mse_weight: float = 1.0,
) -> Tensor:
    """Distance of the student's features from the teacher's, to be minimised.

    Source: paper, Eq. (2): ``L_p = cos(c_t, c_s') + MSE(c_t, c_s')``.
    Reading: a loss must fall as features align, so ``cos`` is the cosine *distance*, 1 - similarity. The
    paper weighs both terms equally.

    Args:
        student_features: ``c_s'``, ``(B, T, D)``, of the clip or of its variation; D = 512 for CAVP.
        teacher_features: ``c_t``, same shape, of the *unvaried* clip; no gradient flows into it.
        cosine_weight: Weight of the cosine distance, 0 or more.
        mse_weight: Weight of the squared error, 0 or more.

    Returns:
        Scalar: cosine distance averaged over B and T, squared error over B, T and D; 0 up to rounding when
        all agree. A frame of zeros has cosine distance 1.

    Raises:
        ValueError: If the shapes differ.

    Examples:
        >>> distillation_loss(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[1.0, 0.0]]]))
        tensor(2.)
    """
    cosine, squared = distillation_terms(student_features, teacher_features)
    return cosine_weight * cosine + mse_weight * squared


def distillation_terms(student_features: Tensor, teacher_features: Tensor) -> tuple[Tensor, Tensor]:
    """Both terms of :func:`distillation_loss` without their weights.

    Args:
        student_features: ``(B, T, D)``.
        teacher_features: Same shape; no gradient flows into it.

    Returns:
        Mean cosine distance and mean squared error, scalars.

    Raises:
        ValueError: If the shapes differ.
    """
    if student_features.shape != teacher_features.shape:
        raise ValueError(
            f"student and teacher must give features of one shape, got {tuple(student_features.shape)} and "
            f"{tuple(teacher_features.shape)}"
        )
    target = teacher_features.detach()
    # halves lose the small differences that are left late in training
    with torch.autocast(student_features.device.type, enabled=False):
        given, target = (
            features if features.dtype == torch.float64 else features.float()
            for features in (student_features, target)
        )
        cosine = (1 - F.cosine_similarity(given, target, dim=-1)).mean()
        return cosine, F.mse_loss(given, target)


def training_losses(
    student_features: Tensor, teacher_features: Tensor, recipe: DistillationRecipe
) -> dict[str, Tensor]:
    """The loss of a training step in the feature space and with the weights of a recipe, and its two terms.

    Args:
        student_features: ``(B, T, D)``, raw.
        teacher_features: Same shape, raw.
        recipe: Its feature space and weights are used.

    Returns:
        ``"loss"``, which is minimised, and ``"cosine"`` and ``"squared_error"`` without weights; scalars.
    """
    student, teacher = student_features.float(), teacher_features.float()
    if recipe.feature_space == "normalized":
        student, teacher = F.normalize(student, dim=-1), F.normalize(teacher, dim=-1)
    cosine, squared = distillation_terms(student, teacher)
    total = recipe.cosine_weight * cosine + recipe.mse_weight * squared
    return {"loss": total, "cosine": cosine, "squared_error": squared}
