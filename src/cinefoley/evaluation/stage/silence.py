"""Silence: stretches in which a clip's real sound is silent, and whether a take stays silent in them."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["silent_stretches", "stays_silent"]

_LEVEL_S = 0.02  # length of the pieces whose root mean square is a level
_QUIET_DB = 50.0  # the real sound counts as silent this far below its peak
_SILENT_DB = 30.0  # the take must stay this far below its own
_EDGE_S = 0.1  # cut off at both ends of a stretch, where neighbouring sounds decay
_STRETCH_S = 1.0


def silent_stretches(real: Tensor, *, sample_rate: int) -> list[tuple[float, float]]:
    """Stretches of a second or more in which a real sound stays 50 dB below its peak; seconds.

    The first and last tenth of a second of each are cut off, unless the clip ends there.
    """
    levels = _levels(real, sample_rate)
    quiet = levels <= levels.max(initial=0.0) * 10 ** (-_QUIET_DB / 20)
    changes = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(int)))
    stretches = []
    for begin, end in changes.reshape(-1, 2):
        if (end - begin) * _LEVEL_S >= _STRETCH_S:
            first = begin * _LEVEL_S + (_EDGE_S if begin else 0.0)
            stretches.append((first, end * _LEVEL_S - (_EDGE_S if end < len(quiet) else 0.0)))
    return stretches


def stays_silent(waveform: Tensor, stretch: tuple[float, float], *, sample_rate: int, is_mute: bool) -> bool:
    """Whether a sound stays 30 dB below its own peak in a stretch; below full scale if the clip is mute."""
    levels = _levels(waveform, sample_rate)
    peak = 1.0 if is_mute else float(levels.max(initial=0.0))
    inside = levels[round(stretch[0] / _LEVEL_S) : round(stretch[1] / _LEVEL_S)]
    return float(inside.max(initial=0.0)) <= peak * 10 ** (-_SILENT_DB / 20)


def _levels(waveform: Tensor, sample_rate: int) -> NDArray[np.float64]:
    step = round(_LEVEL_S * sample_rate)
    samples = waveform.double().numpy()
    whole = samples[: len(samples) // step * step].reshape(-1, step)
    return np.asarray(np.sqrt(np.square(whole).mean(axis=1)))
