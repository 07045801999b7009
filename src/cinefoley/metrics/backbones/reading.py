"""Read audio files for backbones: channel, mean and length, which differ between published tools."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.errors import AudioError
from cinefoley.media.audio.files import read_audio
from cinefoley.metrics.backbones.resampling import resample

__all__ = ["AUDIOLDM_EVAL", "AV_BENCHMARK", "Reading", "prepare", "read_clip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Options of reading a file. The defaults are those of audioldm_eval, which the paper names."""

    channels: Literal["first", "mean"] = "first"
    """Which channel is used."""
    removes_mean: bool = True
    """Whether the mean of the whole clip is subtracted, before anything else."""
    longest_s: float | None = None
    """Longer clips are cut to this; None cuts nothing."""
    shortest_s: float | None = 2.0
    """Shorter clips are padded with silence at their end; None pads nothing."""

    def channel(self, waveform: Tensor) -> Tensor:
        """Reduce all channels ``(channels, N)`` to the one that is used ``(N,)``."""
        return waveform[0] if self.channels == "first" else waveform.mean(dim=0)

    def describe(self) -> str:
        """Description in one phrase, for protocol lines."""
        parts = [f"{self.channels} channel" if self.channels == "first" else "mean of channels"]
        parts += ["mean removed"] if self.removes_mean else []
        parts += [f"first {self.longest_s:g} s" if self.longest_s else "own length"]
        parts += [f"padded to {self.shortest_s:g} s"] if self.shortest_s else []
        return ", ".join(parts)


AUDIOLDM_EVAL = Reading()
"""``haoheliu/audioldm_eval`` with ``backbone="cnn14"``; our own protocol uses the same."""
AV_BENCHMARK = Reading(channels="mean", removes_mean=False, longest_s=8.0, shortest_s=None)
"""``hkchengrex/av-benchmark``."""


def read_clip(path: Path, *, sample_rate: int = 16000, reading: Reading = AUDIOLDM_EVAL) -> Tensor:
    """Read one clip as the input of a backbone; of a video file, its audio stream.

    Args:
        path: Any file with audio.
        sample_rate: The rate of the backbone's input.
        reading: Options of reading.

    Returns:
        ``(N,)`` float32.

    Raises:
        MediaError: If the file cannot be read or has no samples. The reproduced tools replace such a file by
            the next one instead.
    """
    waveform, source_rate = read_audio(path)
    if waveform.shape[1] == 0:
        raise AudioError(f"{path.name}: contains no sound (0 samples).")
    return prepare(waveform, source_rate, sample_rate=sample_rate, reading=reading)


def prepare(
    waveform: Tensor, source_rate: int, *, sample_rate: int = 16000, reading: Reading = AUDIOLDM_EVAL
) -> Tensor:
    """Prepare a waveform as :func:`read_clip` prepares a file's.

    Args:
        waveform: ``(channels, N)``.
        source_rate: Sample rate of the waveform.
        sample_rate: The rate to convert to.
        reading: Options of reading.

    Returns:
        ``(M,)`` float32.
    """
    prepared = reading.channel(waveform)
    if reading.removes_mean:
        prepared = prepared - prepared.mean()
    prepared = resample(prepared, source_rate, sample_rate)
    if reading.longest_s is not None:
        prepared = prepared[: round(reading.longest_s * sample_rate)]
    missing = 0 if reading.shortest_s is None else round(reading.shortest_s * sample_rate) - len(prepared)
    return F.pad(prepared, (0, missing)) if missing > 0 else prepared.to(torch.float32)
