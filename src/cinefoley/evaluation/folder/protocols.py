"""Evaluation protocols and settings: ours, and those of two published tools where they differ."""

from dataclasses import dataclass
from typing import Literal

from cinefoley.metrics.backbones.reading import AUDIOLDM_EVAL, AV_BENCHMARK, Reading

__all__ = ["PROTOCOLS", "EvaluationSettings", "Protocol", "ProtocolName"]

ProtocolName = Literal["cinefoley", "audioldm_eval", "av_benchmark"]
"""Names of the protocols."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Choices in which published tools differ without saying so."""

    name: ProtocolName
    """Name of the protocol."""
    reading: Reading
    """How files become waveforms."""
    kl_epsilon: float
    """Added to probabilities in KL; 0 is the divergence itself."""
    repeats_real: bool
    """Whether a clip's real sound counts once per generated sample in the distances, or once."""
    least_share: float
    """Share of clips that must have a partner; clips without one are then skipped."""
    skips_odd: bool
    """Whether silent, clipped and damaged clips are skipped; unreadable ones always are."""
    has_kid: bool
    """Whether the tool reports KID."""


PROTOCOLS: dict[ProtocolName, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="cinefoley",
            reading=AUDIOLDM_EVAL,
            kl_epsilon=1e-6,
            repeats_real=False,
            least_share=1.0,
            skips_odd=True,
            has_kid=True,
        ),
        Protocol(  # KID as in its call, which is commented out since June 2023; copies of the reference as
            name="audioldm_eval",  # its users make them, one for each sample
            reading=AUDIOLDM_EVAL,
            kl_epsilon=1e-6,
            repeats_real=True,
            least_share=0.99,
            skips_odd=False,
            has_kid=True,
        ),
        Protocol(
            name="av_benchmark",
            reading=AV_BENCHMARK,
            kl_epsilon=0.0,
            repeats_real=False,
            least_share=0.0,
            skips_odd=False,
            has_kid=False,
        ),
    )
}
"""All protocols by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """How two folders are compared."""

    protocol: Protocol = PROTOCOLS["cinefoley"]
    """Reading, epsilon and pairing."""
    is_paired: bool = True
    """Whether generated and real files belong together by name."""
    replicas: int = 100
    """Resamplings of the clips for the 95 % intervals; 0 computes none."""
    seed: int = 0
    """Seed of the resamplings. Subsets of KID and splits of IS have their published seed, 2020."""
