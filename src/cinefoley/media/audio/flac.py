"""Audio as FLAC bytes in memory: encode and decode."""

import io

import numpy as np
import soundfile
from torch import Tensor

from cinefoley.errors import AudioError
from cinefoley.media.audio.reader import Samples

__all__ = ["decode_flac", "encode_flac"]

_BLOCK = 1 << 20


def encode_flac(waveform: Tensor | Samples, sample_rate: int) -> bytes:
    """One channel of audio as FLAC of 16 bits; what lies beyond full scale is clipped there.

    Args:
        waveform: ``(N,)`` float, full scale at 1, finite.
        sample_rate: Samples per second.

    Returns:
        The file's bytes; the same for the same samples.
    """
    samples = np.asarray(waveform, dtype=np.float32).clip(-1, 1)
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def decode_flac(content: bytes, *, name: str = "the audio") -> tuple[Samples, int]:
    """The samples ``(N,)`` float32 and the sample rate of a FLAC of one channel.

    Args:
        content: The file's bytes.
        name: What messages call it.

    Raises:
        AudioError: If it is no FLAC, or a damaged one.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            # By blocks: a damaged header may state any length, and memory for all of it would be allocated.
            blocks = [file.read(_BLOCK, dtype="float32", always_2d=True)]
            while len(blocks[-1]) == _BLOCK:
                blocks.append(file.read(_BLOCK, dtype="float32", always_2d=True))
            return np.concatenate(blocks)[:, 0], int(file.samplerate)
    except (soundfile.LibsndfileError, RuntimeError) as exc:
        raise AudioError(f"{name}: cannot be decoded as FLAC ({exc}).") from exc
