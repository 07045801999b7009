"""The resampler that published numbers went through."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["RESAMPLER", "resample"]

_ZEROS = 6
_ROLLOFF = 0.99

RESAMPLER = f"windowed sinc, Hann, {_ZEROS} zero crossings, rolloff {_ROLLOFF}"
"""What goes into protocol lines."""


def resample(waveform: Tensor, source_rate: int, sample_rate: int) -> Tensor:
    """Convert a waveform to another rate with a Hann-windowed sinc.

    Features depend on the resampler, so metrics use the one of the tools they are compared with, the defaults
    of ``torchaudio.functional.resample``, and nothing else does: soxr, which the rest of the package uses,
    has less aliasing.

    Args:
        waveform: ``(N,)`` float32.
        source_rate: Its samples per second.
        sample_rate: The rate to convert to.

    Returns:
        ``(ceil(N * sample_rate / source_rate),)``.

    Raises:
        ValueError: If a rate is not positive.

    Example:
        >>> resample(torch.zeros(441), 44100, 16000).shape
        torch.Size([160])
    """
    if min(source_rate, sample_rate) < 1:
        raise ValueError(f"sample rates must be positive, got {source_rate} and {sample_rate}")
    if source_rate == sample_rate:
        return waveform
    divisor = math.gcd(source_rate, sample_rate)
    source, target = source_rate // divisor, sample_rate // divisor
    kernels, reach = _kernels(source, target)
    padded = F.pad(waveform, (reach, reach + source))
    phases = F.conv1d(padded[None, None], kernels.to(waveform), stride=source)
    return phases[0].T.reshape(-1)[: -(-target * len(waveform) // source)]


@lru_cache(maxsize=16)
def _kernels(source: int, target: int) -> tuple[Tensor, int]:
    """One filter per output phase, ``(target, 1, taps)``, and the taps on either side of a sample."""
    band = _ROLLOFF * min(source, target)
    reach = math.ceil(_ZEROS * source / band)
    taps = torch.arange(-reach, reach + source, dtype=torch.float32) / source
    phases = -torch.arange(target, dtype=torch.float32) / target
    at = ((phases[:, None, None] + taps) * band).clamp(-_ZEROS, _ZEROS)
    window = torch.cos(at * math.pi / _ZEROS / 2).square()
    return torch.sinc(at) * window * (band / source), reach
