"""Self-distillation under partial visibility: what the student is held to."""

from cinefoley.distillation.loss import FeatureSpace, distillation_loss, distillation_terms

__all__ = ["FeatureSpace", "distillation_loss", "distillation_terms"]
