"""A look-ahead peak limiter: brings single peaks within a ceiling and leaves all else as loud as it was."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, minimum_filter1d
from scipy.signal.windows import hann

from cinefoley.media.audio.reader import Samples

__all__ = ["LOOK_AHEAD_S", "limit_peaks", "limited_blocks"]

LOOK_AHEAD_S = 0.010
"""Seconds before and after a peak in which the gain is held; it falls and rises over as long again."""
_BLOCK = 1 << 16


def limit_peaks(samples: Samples, sample_rate: int, *, ceiling: float) -> Samples:
    """Lower what goes beyond the ceiling, by one gain for all channels that changes smoothly with time.

    A peak's gain is held for :data:`LOOK_AHEAD_S` on both sides (a running minimum) and then smoothed by a
    Hann window of that reach, so no sample exceeds the ceiling, nothing is clipped, and from twice the reach
    on nothing is changed. This is the usual construction; see Zölzer, *DAFX*, 2nd edition, section 4.2.

    Args:
        samples: ``(channels, N)`` float32.
        sample_rate: Samples per second.
        ceiling: Largest magnitude of the result.

    Returns:
        ``(channels, N)`` float32.
    """
    needed = np.minimum(1, ceiling / np.maximum(np.abs(samples).max(axis=0, initial=0), ceiling))
    if needed.min(initial=1) >= 1:
        return samples
    gain = _smoothed(needed, _reach(sample_rate))
    return (samples * gain).clip(-ceiling, ceiling).astype(np.float32)  # rounding alone is clipped


def limited_blocks(
    samples: Samples, sample_rate: int, *, ceiling: float, gain: float = 1.0
) -> Iterator[Samples]:
    """The same as :func:`limit_peaks` of ``gain * samples``, block by block.

    Args:
        samples: ``(channels, N)`` float32; may be mapped from a file.
        sample_rate: Samples per second.
        ceiling: Largest magnitude of the result.
        gain: Gain before the limiter.

    Yields:
        ``(channels, n)`` blocks in order.
    """
    context, length = 2 * _reach(sample_rate), samples.shape[1]
    for begin in range(0, length, _BLOCK):
        first = max(0, begin - context)
        piece = np.float32(gain) * samples[:, first : begin + _BLOCK + context]
        limited = limit_peaks(piece, sample_rate, ceiling=ceiling)
        yield limited[:, begin - first : begin - first + min(_BLOCK, length - begin)]


def _reach(sample_rate: int) -> int:
    return max(1, round(LOOK_AHEAD_S * sample_rate))


def _smoothed(needed: NDArray[np.floating], reach: int) -> NDArray[np.floating]:
    held = minimum_filter1d(needed, 2 * reach + 1, mode="nearest")
    window = hann(2 * reach + 3)[1:-1]
    return np.asarray(convolve1d(held, window / window.sum(), mode="nearest"))
