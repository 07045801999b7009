"""Resampler of published metrics: torchaudio's windowed sinc with its default settings."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["RESAMPLER", "resample"]

_ZEROS = 6
_ROLLOFF = 0.99
_MOST_TAPS = 4_000_000  # of all filters together

RESAMPLER = f"windowed sinc, Hann, {_ZEROS} zero crossings, rolloff {_ROLLOFF}"
"""Description for protocol lines."""


def resample(waveform: Tensor, source_rate: int, sample_rate: int) -> Tensor:
    """Convert a waveform to another rate with a Hann-windowed sinc.

    Features depend on the resampler, so metrics use the same one as the tools that they are compared with:
    the defaults of ``torchaudio.functional.resample``. The rest of the package uses soxr, which has less
    aliasing.

    Args:
        waveform: ``(N,)`` float32.
        source_rate: Sample rate of the waveform.
        sample_rate: The rate to convert to.

    Returns:
        ``(ceil(N * sample_rate / source_rate),)``.

    Raises:
        ValueError: If a rate is not positive.

    Examples:
        >>> resample(torch.zeros(441), 44100, 16000).shape
        torch.Size([160])
    """
    if min(source_rate, sample_rate) < 1:
        raise ValueError(f"sample rates must be positive, got {source_rate} and {sample_rate}")
    if source_rate == sample_rate:
        return waveform
    divisor = math.gcd(source_rate, sample_rate)
    source, target = source_rate // divisor, sample_rate // divisor
    reach = math.ceil(_ZEROS * source / (_ROLLOFF * min(source, target)))
    padded = F.pad(waveform, (reach, reach + source))
    if source * target > _MOST_TAPS:
        phases = _sparse(padded, source, target, reach)
    else:
        phases = F.conv1d(padded[None, None], _kernels(source, target, reach).to(waveform), stride=source)[0]
    return phases.T.reshape(-1)[: -(-target * len(waveform) // source)]


@lru_cache(maxsize=16)
def _kernels(source: int, target: int, reach: int) -> Tensor:
    """One filter per output phase, ``(target, 1, taps)``."""
    taps = torch.arange(-reach, reach + source, dtype=torch.float32)
    return _weights(torch.arange(target), taps, source, target)[:, None]


def _sparse(padded: Tensor, source: int, target: int, reach: int) -> Tensor:
    """Compute the same phases, ``(target, blocks)``, from only the taps near each; all other weights are 0.

    Rates without a common divisor, such as 44101 and 16000 Hz, have as many phases as samples per second. All
    of their filters would take gigabytes.
    """
    first = torch.arange(target) * source // target - reach
    taps = first[:, None] + torch.arange(2 * reach + 2)
    weights = _weights(torch.arange(target), taps.float(), source, target).to(padded)
    windows = padded.unfold(0, source + 2 * reach, source)
    # the last tap of the last phases is outside the block, and its weight is 0
    places = (taps + reach).clamp(max=windows.shape[1] - 1)
    return torch.stack([(block[places] * weights).sum(dim=1) for block in windows], dim=1)


def _weights(phases: Tensor, taps: Tensor, source: int, target: int) -> Tensor:
    """Weights of the taps in output phases, ``(phases, taps)``."""
    band = _ROLLOFF * min(source, target)
    at = ((-phases.float()[:, None] / target + taps / source) * band).clamp(-_ZEROS, _ZEROS)
    window = torch.cos(at * math.pi / _ZEROS / 2).square()
    return torch.sinc(at) * window * (band / source)
