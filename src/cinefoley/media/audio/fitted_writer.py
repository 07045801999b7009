"""Write audio files block by block, with one gain that keeps the peak within full scale."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from torch import Tensor

from cinefoley.errors import AudioError, OutputError
from cinefoley.media.audio.reader import Samples
from cinefoley.media.audio.writer import AudioWriter, Subtype, as_samples
from cinefoley.media.files.atomic_write import explain_failure

__all__ = ["FittedAudio", "fitted_audio", "fitting_gain"]

_CEILING = 10 ** (-1 / 20)
"""Peak of audio that was lowered: 1 dB below full scale, because lossy codecs overshoot their input."""
_BLOCK = 1 << 16


class FittedAudio:
    """Audio that is being written by :func:`fitted_audio`."""

    def __init__(self, samples: BinaryIO, path: Path, channels: int) -> None:
        self._samples = samples
        self._path = path
        self._channels = channels
        self.peak = 0.0
        """Largest magnitude so far, full scale at 1, before any gain."""

    @property
    def gain(self) -> float:
        """What the file's samples are multiplied by; 1 where nothing goes beyond full scale."""
        return fitting_gain(self.peak)

    def write(self, block: Tensor | Samples) -> None:
        """Append ``(channels, N)`` or ``(N,)`` samples of any magnitude."""
        samples = as_samples(block)
        if samples.shape[0] != self._channels:
            raise ValueError(f"expected {self._channels} channels, got a block of shape {samples.shape}")
        peak = float(np.abs(samples).max(initial=0.0))
        if not np.isfinite(peak):
            raise AudioError(f"{self._path.name}: the audio holds NaN or infinity and was not written.")
        with _named_in_errors(self._path):
            self._samples.write(samples.T.tobytes())
        self.peak = max(self.peak, peak)


def fitting_gain(peak: float) -> float:
    """The gain that brings audio within full scale: 1 up to there, beyond it one that leaves 1 dB.

    Args:
        peak: The audio's largest magnitude, full scale at 1.
    """
    return 1.0 if peak <= 1 else _CEILING / peak


@contextmanager
def fitted_audio(
    path: Path, sample_rate: int, channels: int = 1, *, subtype: Subtype = "PCM_16"
) -> Iterator[FittedAudio]:
    """Write a WAV or FLAC file block by block, all of it lowered where any of it goes beyond full scale.

    Clipping would bend the waveform, and a limiter the relation of loud to soft; one gain changes neither.
    Until the gain is known the samples are in an unnamed temporary file in the same folder, 4 bytes each.

    Args:
        path: ``.wav`` or ``.flac``; appears under its name only when the block succeeds.
        sample_rate: Samples per second.
        channels: Number of channels.
        subtype: How samples are stored.

    Yields:
        Takes the blocks; its ``gain`` is the file's once all are written.

    Raises:
        AudioError: As :class:`~cinefoley.media.audio.writer.AudioWriter`.
        OutputError: If the path cannot be written or the disk is full. Nothing is left behind then.
    """
    # first, so that a wrong suffix fails before any work
    target = AudioWriter(path, sample_rate, channels, subtype=subtype)
    with _named_in_errors(path):
        samples = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115  # closed below
    with samples:
        audio = FittedAudio(samples, path, channels)
        yield audio
        with _named_in_errors(path):
            samples.seek(0)  # writes what is still in memory
        gain = np.float32(audio.gain)
        with target as writer:
            while block := samples.read(4 * channels * _BLOCK):
                rows = np.frombuffer(block, np.float32).reshape(-1, channels)
                writer.write(gain * rows.T)


@contextmanager
def _named_in_errors(path: Path) -> Iterator[None]:
    """Name the output in errors, not the temporary file."""
    try:
        yield
    except OSError as exc:
        raise OutputError(explain_failure(exc, path)) from exc
