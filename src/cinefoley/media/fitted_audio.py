"""Sound files of sounds whose peak is known only at their end: what is too loud is lowered as a whole."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from torch import Tensor

from cinefoley.media.audio_writer import AudioWriter, Subtype, as_samples
from cinefoley.media.sound import Samples

__all__ = ["FittedSound", "fitted_audio", "fitting_gain"]

_CEILING = 10 ** (-1 / 20)
"""Of a sound that was lowered: 1 dB below full scale, since a codec in a film overshoots what it is given."""
_BLOCK = 1 << 16


class FittedSound:
    """A sound that is being written by :func:`fitted_audio`."""

    def __init__(self, writer: AudioWriter) -> None:
        self._writer = writer
        self.peak = 0.0
        """Largest magnitude so far, full scale at 1, before any gain."""

    @property
    def gain(self) -> float:
        """What the file's samples are multiplied by; 1 where nothing goes beyond full scale."""
        return fitting_gain(self.peak)

    def write(self, block: Tensor | Samples) -> None:
        """Append ``(channels, N)`` or ``(N,)`` samples of any magnitude."""
        samples = as_samples(block)
        self._writer.write(samples)
        self.peak = max(self.peak, float(np.abs(samples).max(initial=0.0)))


def fitting_gain(peak: float) -> float:
    """The gain that brings a sound within full scale: 1 up to there, beyond it one that leaves 1 dB.

    Args:
        peak: The sound's largest magnitude, full scale at 1.
    """
    return 1.0 if peak <= 1 else _CEILING / peak


@contextmanager
def fitted_audio(
    path: Path, sample_rate: int, channels: int = 1, *, subtype: Subtype = "PCM_16"
) -> Iterator[FittedSound]:
    """Write a WAV or FLAC file block by block, all of it lowered where any of it goes beyond full scale.

    Clipping would bend the waveform, and a limiter the relation of loud to soft; one gain changes neither.
    The samples lie beside ``path`` as 32-bit floats until the end, when the gain is known.

    Args:
        path: ``.wav`` or ``.flac``; appears under its name only when the block succeeds.
        sample_rate: Samples per second.
        channels: Number of channels.
        subtype: How samples are stored.

    Yields:
        Takes the blocks; its ``gain`` is the file's once all are written.

    Raises:
        AudioError: As :class:`~cinefoley.media.audio_writer.AudioWriter`.
        OutputError: If the path cannot be written or the disk is full. Nothing is left behind then.
    """
    unfitted = path.with_name(f".{path.stem}-{secrets.token_hex(8)}.wav")
    target = AudioWriter(
        path, sample_rate, channels, subtype=subtype
    )  # a wrong suffix is told before any work
    try:
        with AudioWriter(unfitted, sample_rate, channels, subtype="FLOAT") as writer:
            sound = FittedSound(writer)
            yield sound
        with soundfile.SoundFile(str(unfitted)) as source, target as writer:
            for block in source.blocks(_BLOCK, dtype="float32", always_2d=True):
                writer.write(np.float32(sound.gain) * block.T)
    finally:
        unfitted.unlink(missing_ok=True)
