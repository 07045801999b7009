"""Self-distillation under partial visibility: the paper's Section 4, one module for each part.

- ``loss``: the distillation loss, Eq. (2).
- ``pairs``: what teacher and student see: the unvaried clip's features ``c_t``, and frames to vary, Eq. (1).
- ``task``: one training step, ``c_s' = S(f(x_v))`` against ``c_t = T(x_v)``.
- ``run``: a whole training, from a teacher and clips to a student, resumable.
- ``recipe``, ``presets``: the settings of Section 4 and of the ablations in Tables 1, 3 and 4.
- ``no_teacher``: the baseline of Table 1 that is trained on varied clips without a teacher.

The variations themselves, Eq. (1) and the camera movement, are in :mod:`cinefoley.variations`.
"""

from cinefoley.distillation.loss import distillation_loss, distillation_terms
from cinefoley.distillation.recipe import FeatureSpace

__all__ = ["FeatureSpace", "distillation_loss", "distillation_terms"]
