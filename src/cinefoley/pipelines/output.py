"""Results of the pipeline: takes in memory, whole or window by window."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from cinefoley.media.audio.fitted_writer import fitted_audio
from cinefoley.media.audio.writer import Subtype

__all__ = ["FoleyBlock", "FoleyOutput"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoleyBlock:
    """Sound that is complete after one window of a video."""

    audios: Tensor
    """``(num_takes, n)`` float32, full scale at 1 but not clipped; blocks join without a gap."""
    mels: Tensor
    """The window's mels, ``(num_takes, n_mels, frames)``."""
    video_features: Tensor
    """The window's features, ``(T, D)``."""
    window: int
    """Index of the window."""
    num_windows: int
    """Number of windows of the video."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoleyOutput:
    """Takes for one video.

    ``audios`` are ``(num_takes, N)`` float32, full scale at 1, at ``sample_rate`` samples per second;
    ``mels``, ``video_features`` and ``timings_s`` are intermediate results; ``seed`` generates the same takes
    again.

    Examples:
        >>> result = pipeline("rain.mp4", num_takes=4)  # doctest: +SKIP
        >>> result.save("rain.take3.wav", take=3)  # doctest: +SKIP
    """

    audios: Tensor
    """``(num_takes, N)`` float32, full scale at 1 but not clipped; N is the video's length to the sample."""
    sample_rate: int
    """Samples per second."""
    mels: Tensor
    """``(num_takes, num_windows, n_mels, frames)``, nominally in [0, 1]."""
    video_features: Tensor
    """``(num_windows, T, D)``, unit norm per frame."""
    seed: int
    """Generates the same takes again."""
    timings_s: dict[str, float] = field(default_factory=dict)
    """Seconds spent in each part."""

    @classmethod
    def from_blocks(
        cls, blocks: Sequence[FoleyBlock], *, sample_rate: int, seed: int, timings_s: dict[str, float]
    ) -> Self:
        """Join the blocks of a video."""
        return cls(
            audios=torch.cat([block.audios for block in blocks], dim=1),
            sample_rate=sample_rate,
            mels=torch.stack([block.mels for block in blocks], dim=1),
            video_features=torch.stack([block.video_features for block in blocks]),
            seed=seed,
            timings_s=timings_s,
        )

    def save(self, path: str | os.PathLike[str], *, take: int = 1, subtype: Subtype = "PCM_16") -> float:
        """Write one take as a sound file; what exceeds full scale is limited, and lowered if far beyond.

        Args:
            path: ``.wav`` or ``.flac``.
            take: Number of the take, from 1, as in the file names of ``cinefoley generate``.
            subtype: How samples are stored: ``"PCM_16"``, ``"PCM_24"`` or, in a WAV, ``"FLOAT"``.

        Returns:
            The gain of the whole: 1 unless the take exceeded full scale by more than 5 dB.

        Raises:
            ValueError: If there is no such take.
            AudioError: If the suffix or the subtype is not supported.
            OutputError: If the file cannot be written.
        """
        if not 1 <= take <= len(self.audios):
            raise ValueError(f"take must be 1 to {len(self.audios)}, got {take}")
        with fitted_audio(Path(path), self.sample_rate, subtype=subtype) as sound:
            sound.write(self.audios[take - 1])
        return sound.fitting.gain
