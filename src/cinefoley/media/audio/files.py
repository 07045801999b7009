"""Read and write whole audio files."""

import os

import numpy as np
import torch
from torch import Tensor

from cinefoley.media.audio.reader import AudioReader, Samples, resample_blocks, slice_blocks
from cinefoley.media.audio.writer import AudioWriter, Subtype, as_samples
from cinefoley.media.sections import Seconds, Section

__all__ = ["read_audio", "write_audio"]


def read_audio(
    path: str | os.PathLike[str],
    *,
    sample_rate: int | None = None,
    mono: bool = False,
    start: Seconds = 0.0,
    duration: Seconds | None = None,
) -> tuple[Tensor, int]:
    """Read the audio of any file FFmpeg reads, videos included.

    Time 0 is the first frame of a video, so the audio is in sync with the frames of :func:`load_video`;
    of an audio file it is the first sample. The delay and the tail that AAC, MP3 and Opus encoders add are
    removed where the container says so.

    Args:
        path: The file.
        sample_rate: Samples per second to convert to; None keeps the file's.
        mono: Whether to average the channels.
        start: Seconds to skip.
        duration: Seconds to read at most; None reads to the end.

    Returns:
        The waveform, ``(channels, N)`` float32 with full scale at 1, and its sample rate. Empty where the
        audio ends before ``start``.

    Raises:
        MediaError: If the file cannot be read.
        AudioError: If it has no audio that can be decoded.
        ValueError: If a number is out of range.

    Warns:
        MediaWarning: If parts are damaged; they are silent.
    """
    if sample_rate is not None and sample_rate < 1:
        raise ValueError(f"sample_rate must be positive, got {sample_rate}")
    with AudioReader(path, Section.of(start, duration)) as reader:
        rate = sample_rate or reader.sample_rate
        mixed = (block.mean(axis=0, keepdims=True) if mono else block for block in reader)
        blocks: list[Samples] = list(resample_blocks(mixed, reader.sample_rate, rate))
        channels = 1 if mono else reader.channels
    joined = np.concatenate([np.zeros((channels, 0), np.float32), *blocks], axis=1)
    return torch.from_numpy(joined), rate


def write_audio(
    path: str | os.PathLike[str],
    waveform: Tensor | Samples,
    sample_rate: int,
    *,
    subtype: Subtype = "PCM_16",
) -> None:
    """Write a WAV or FLAC file of exactly the samples given.

    Args:
        path: ``.wav`` or ``.flac``.
        waveform: ``(N,)`` or ``(channels, N)``, full scale at 1.
        sample_rate: Samples per second.
        subtype: As for :class:`AudioWriter`, whose errors and warnings apply.
    """
    samples = as_samples(waveform)
    with AudioWriter(path, sample_rate, samples.shape[0], subtype=subtype) as writer:
        for block in slice_blocks(samples):
            writer.write(block)
