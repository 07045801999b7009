"""E-L1: distance of loudness envelopes, the frame-level RMS of generated and of real sound."""

from torch import Tensor
from torch.nn import functional as F

from cinefoley.metrics.functional.checks import check_rows, check_widths

__all__ = ["ENVELOPE_RATE", "envelope_distance", "envelope_distance_terms", "rms_envelope"]

_NAME = "E-L1"

ENVELOPE_RATE = 16000
"""Sample rate in Hz at which Video-Foley computes envelopes."""


def rms_envelope(waveform: Tensor, *, frame_length: int = 512, hop_length: int = 128) -> Tensor:
    """Root mean square of overlapping frames of a waveform.

    Source: Lee et al., *Video-Foley*, arXiv 2408.11915, and its code: at 16 kHz, frames of 512 samples every
    128, ``(512 - 128) / 2`` samples reflected at both ends, no window.

    Args:
        waveform: ``(..., N)``, N above ``(frame_length - hop_length) / 2``.
        frame_length: Samples in a frame.
        hop_length: Samples from one frame to the next.

    Returns:
        ``(..., N // hop_length)`` float64.

    Raises:
        ValueError: If the waveform is too short, or the lengths do not fit each other.

    Examples:
        >>> rms_envelope(torch.full((2, 512), 0.5))
        tensor([[0.5000, 0.5000, 0.5000, 0.5000],
                [0.5000, 0.5000, 0.5000, 0.5000]], dtype=torch.float64)
    """
    margin, is_odd = divmod(frame_length - hop_length, 2)
    if hop_length < 1 or margin < 0 or is_odd:
        raise ValueError(
            f"need frame_length - hop_length even and 0 or more, got {frame_length}, {hop_length}"
        )
    if waveform.shape[-1] <= max(margin, hop_length - 1):
        raise ValueError(f"{_NAME} needs more than {margin} samples, got {waveform.shape[-1]}")
    rows = waveform.double().reshape(1, -1, waveform.shape[-1])
    frames = F.pad(rows, (margin, margin), mode="reflect")[0].unfold(-1, frame_length, hop_length)
    return frames.square().mean(dim=-1).sqrt().reshape(*waveform.shape[:-1], -1)


def envelope_distance(real: Tensor, generated: Tensor) -> Tensor:
    """Mean absolute difference of two sets of envelopes, clip by clip (E-L1).

    Source: Lee et al., *Video-Foley*, arXiv 2408.11915; ``get_EL1`` of its code. Levels are compared as they
    are: a take that is in time and half as loud has a distance.

    Args:
        real: Envelopes of the reference sounds, ``(N, F)``, N >= 1, from :func:`rms_envelope`.
        generated: Envelopes of the generated sounds, ``(N, F)``, in the same order of clips.

    Returns:
        Scalar float64; full scale is 1. Lower is better.

    Raises:
        ValueError: If there are no pairs, the shapes differ, or a number is not finite.

    Examples:
        >>> envelope_distance(torch.zeros(2, 4), torch.full((2, 4), 0.25))
        tensor(0.2500, dtype=torch.float64)
    """
    return envelope_distance_terms(real, generated).mean()


def envelope_distance_terms(real: Tensor, generated: Tensor) -> Tensor:
    """The distance of each pair, ``(N,)`` float64; as for :func:`envelope_distance`.

    Raises:
        ValueError: As there.
    """
    real = check_rows(_NAME, "real envelopes", real, at_least=1).double()
    generated = check_rows(_NAME, "generated envelopes", generated, at_least=1).double()
    check_widths(_NAME, real, generated)
    if len(real) != len(generated):
        raise ValueError(
            f"{_NAME} compares pairs, got {len(real)} real and {len(generated)} generated envelopes"
        )
    return (real - generated).abs().mean(dim=1)
