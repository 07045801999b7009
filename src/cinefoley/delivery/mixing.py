"""Mix Foley with the video's own sound, which is lowered while the Foley sounds if asked (ducking)."""

from collections.abc import Iterable, Iterator

import numpy as np

from cinefoley.delivery.sample_source import SampleSource
from cinefoley.media.audio.reader import Samples

__all__ = ["Ducker", "mix_blocks"]

_STEP_S = 0.01  # the gain changes linearly within a step
_THRESHOLD_DB = -45.0  # RMS of a step, in dB of full scale, above which the Foley counts as sounding
_ATTACK_S, _RELEASE_S = 0.03, 0.4


class Ducker:
    """Gain of the video's own sound, computed from the Foley block by block.

    Args:
        depth_db: Largest reduction, 0 or more.
        sample_rate: Samples per second.

    Raises:
        ValueError: If the depth is negative.
    """

    def __init__(self, depth_db: float, sample_rate: int) -> None:
        if depth_db < 0:
            raise ValueError(f"depth_db must be 0 or more, got {depth_db}")
        self._depth_db = depth_db
        self._step = round(_STEP_S * sample_rate)
        self._share = 0.0  # of the reduction that applies now, 0 to 1
        self._attack = float(np.exp(-_STEP_S / _ATTACK_S))
        self._release = float(np.exp(-_STEP_S / _RELEASE_S))

    def gain(self, foley: Samples) -> Samples:
        """Gain per sample, ``(1, N)``, for the next ``(1, N)`` samples of Foley."""
        if self._depth_db == 0:
            return np.ones((1, foley.shape[1]), np.float32)
        edges = [0.0]
        shares = [self._share]
        for begin in range(0, foley.shape[1], self._step):
            power = float(np.square(foley[:, begin : begin + self._step], dtype=np.float64).mean())
            goal = float(10 * np.log10(max(power, 1e-20)) > _THRESHOLD_DB)
            pull = self._attack if goal > self._share else self._release
            self._share = goal + (self._share - goal) * pull
            edges.append(float(min(begin + self._step, foley.shape[1])))
            shares.append(self._share)
        share = np.interp(np.arange(foley.shape[1]), edges, shares)
        return np.asarray(10 ** (-self._depth_db / 20 * share), np.float32)[None]


def mix_blocks(
    foley: Iterable[Samples], original: Iterable[Samples], channels: int, *, gain_db: float, ducker: Ducker
) -> Iterator[Samples]:
    """Add Foley to the middle of the video's own sound.

    Args:
        foley: ``(1, N_i)``, all of the video's length.
        original: ``(channels, M_i)`` at the same rate; silence follows where it ends early.
        channels: Its channels; in stereo the Foley is at equal power in both.
        gain_db: Gain of the video's own sound.
        ducker: Lowers it while the Foley sounds.

    Yields:
        ``(channels, N_i)``.
    """
    source = SampleSource(original, channels)
    centre = np.float32(1 / np.sqrt(channels) if channels <= 2 else 1)
    factor = np.float32(10 ** (gain_db / 20))
    for block in foley:
        bed = source.take(block.shape[1])
        mixed = factor * ducker.gain(block) * bed
        places = slice(None) if channels <= 2 else slice(2, 3)  # of more channels, the third is the centre
        mixed[places] += centre * block
        yield mixed
