"""Write audio files block by block, within full scale: peaks are limited, louder takes lowered as well."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import log10
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cinefoley.errors import AudioError
from cinefoley.media.audio.limiter import limited_blocks
from cinefoley.media.audio.raw_sound import RawSound
from cinefoley.media.audio.reader import Samples, slice_blocks
from cinefoley.media.audio.writer import AudioWriter, Subtype, as_samples

__all__ = ["MOST_LIMITING_DB", "FittedAudio", "Fitting", "fit_to_full_scale", "fitted_audio"]

MOST_LIMITING_DB = 6.0
"""What the limiter takes from a peak at most; audio that needs more is lowered as a whole by the rest."""
_CEILING = 10 ** (-1 / 20)
"""Peak of audio that was limited: 1 dB below full scale, because lossy codecs overshoot their input."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """What brings audio within full scale: a gain for all of it, then a limiter on its peaks."""

    gain: float
    """Gain of the whole; 1 unless the limiter alone would have to take more than 6 dB."""
    limited_db: float
    """What the limiter takes from the highest peak, 0 or negative; 0 where nothing exceeds full scale."""

    @classmethod
    def of(cls, peak: float) -> "Fitting":
        """For audio whose largest magnitude is ``peak``, full scale at 1."""
        if peak <= 1:
            return cls(1.0, 0.0)
        gain = min(1.0, _CEILING * 10 ** (MOST_LIMITING_DB / 20) / peak)
        return cls(gain, 20 * log10(_CEILING / (gain * peak)))

    def blocks(self, samples: Samples, sample_rate: int) -> Iterator[Samples]:
        """``(channels, n)`` blocks of ``(channels, N)`` samples, fitted; unchanged if nothing is needed."""
        if not self.limited_db:
            return slice_blocks(samples)
        return limited_blocks(samples, sample_rate, ceiling=_CEILING, gain=self.gain)


class FittedAudio:
    """Audio that is being written by :func:`fitted_audio`."""

    def __init__(self, samples: RawSound, path: Path) -> None:
        self._samples = samples
        self._path = path
        self.peak = 0.0
        """Largest magnitude so far, full scale at 1, before any gain."""

    @property
    def fitting(self) -> Fitting:
        """What is done to the samples that were written so far."""
        return Fitting.of(self.peak)

    def write(self, block: Tensor | Samples) -> None:
        """Append ``(channels, N)`` or ``(N,)`` samples of any magnitude."""
        samples = as_samples(block)
        peak = float(np.abs(samples).max(initial=0.0))
        if not np.isfinite(peak):
            raise AudioError(f"{self._path.name}: the audio holds NaN or infinity and was not written.")
        self._samples.write(samples)
        self.peak = max(self.peak, peak)


def fit_to_full_scale(waveform: Tensor, sample_rate: int) -> tuple[Tensor, Fitting]:
    """What :func:`fitted_audio` writes of ``(N,)`` or ``(channels, N)`` samples, and what was done."""
    samples = as_samples(waveform)
    fitting = Fitting.of(float(np.abs(samples).max(initial=0.0)))
    blocks = [samples[:, :0], *fitting.blocks(samples, sample_rate)]  # an empty sound has no blocks
    return torch.from_numpy(np.concatenate(blocks, axis=1)).reshape(waveform.shape), fitting


@contextmanager
def fitted_audio(
    path: Path, sample_rate: int, channels: int = 1, *, subtype: Subtype = "PCM_16"
) -> Iterator[FittedAudio]:
    """Write a WAV or FLAC file block by block, brought within full scale where any of it goes beyond.

    Clipping would bend the waveform, and one gain for the whole would make a take softer than the next
    because of a single peak. So peaks are limited, by up to 6 dB; what needs more is lowered as a whole by
    the rest. Audio within full scale is written as it is. Until the peak is known the samples are in an
    unnamed temporary file in the same folder, 4 bytes each.

    Args:
        path: ``.wav`` or ``.flac``; appears under its name only when the block succeeds.
        sample_rate: Samples per second.
        channels: Number of channels.
        subtype: How samples are stored.

    Yields:
        Takes the blocks; its ``fitting`` is the file's once all are written.

    Raises:
        AudioError: As :class:`~cinefoley.media.audio.writer.AudioWriter`.
        OutputError: If the path cannot be written or the disk is full. Nothing is left behind then.
    """
    # first, so that a wrong suffix fails before any work
    target = AudioWriter(path, sample_rate, channels, subtype=subtype)
    with RawSound(path, channels) as samples:
        audio = FittedAudio(samples, path)
        yield audio
        with target as writer:
            for block in audio.fitting.blocks(samples.mapped(), sample_rate):
                writer.write(block)
