"""Metrics of generated sound: distances, divergences, alignment and synchrony.

The functions need only torch. The accumulators need torchmetrics (``pip install cinefoley[eval]``), so they
and the backbones are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cinefoley.metrics.functional.divergence import kl_divergence
from cinefoley.metrics.functional.envelope import envelope_distance, rms_envelope
from cinefoley.metrics.functional.frechet import frechet_distance
from cinefoley.metrics.functional.inception import inception_score
from cinefoley.metrics.functional.kernel import kernel_inception_distance

if TYPE_CHECKING:
    from cinefoley.metrics.accumulators import (
        EnvelopeDistance,
        FrechetDistance,
        InceptionScore,
        KernelInceptionDistance,
        KLDivergence,
    )
    from cinefoley.metrics.backbones.loading import load_backbone

__all__ = [
    "EnvelopeDistance",
    "FrechetDistance",
    "InceptionScore",
    "KLDivergence",
    "KernelInceptionDistance",
    "envelope_distance",
    "frechet_distance",
    "inception_score",
    "kernel_inception_distance",
    "kl_divergence",
    "load_backbone",
    "rms_envelope",
]

_HOMES = {
    "EnvelopeDistance": "cinefoley.metrics.accumulators",
    "FrechetDistance": "cinefoley.metrics.accumulators",
    "InceptionScore": "cinefoley.metrics.accumulators",
    "KLDivergence": "cinefoley.metrics.accumulators",
    "KernelInceptionDistance": "cinefoley.metrics.accumulators",
    "load_backbone": "cinefoley.metrics.backbones.loading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cinefoley.metrics' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
