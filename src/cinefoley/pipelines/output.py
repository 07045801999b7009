"""What a generation returns."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from cinefoley.media.audio.fitted_writer import fitted_audio
from cinefoley.media.audio.writer import Subtype

__all__ = ["FoleyBlock", "FoleyOutput"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoleyBlock:
    """Sound that is finished after one window of film."""

    audios: Tensor
    """``(num_takes, n)`` float32, full scale at 1 but not clipped; blocks follow each other without a gap."""
    mels: Tensor
    """The window's mels, ``(num_takes, n_mels, frames)``."""
    video_features: Tensor
    """The window's features, ``(T, D)``."""
    window: int
    """Index of the window."""
    num_windows: int
    """Windows in the whole film."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoleyOutput:
    """Takes for one film.

    ``audios`` are ``(num_takes, N)`` float32, full scale at 1, at ``sample_rate`` samples per second;
    ``mels``, ``video_features`` and ``timings_s`` tell how they came about, and ``seed`` makes them again.

    Examples:
        >>> result = pipeline("rain.mp4", num_takes=4)  # doctest: +SKIP
        >>> result.save("rain.take3.wav", take=3)  # doctest: +SKIP
    """

    audios: Tensor
    """``(num_takes, N)`` float32, full scale at 1 but not clipped; N is the film's length to the sample."""
    sample_rate: int
    """Samples per second."""
    mels: Tensor
    """``(num_takes, num_windows, n_mels, frames)``, nominally in [0, 1]."""
    video_features: Tensor
    """``(num_windows, T, D)``, unit norm per frame."""
    seed: int
    """Makes the same takes again."""
    timings_s: dict[str, float] = field(default_factory=dict)
    """Seconds spent in each part."""

    def save(self, path: str | os.PathLike[str], *, take: int = 1, subtype: Subtype = "PCM_16") -> float:
        """Write one take as a sound file; as a whole lower where it would go beyond full scale.

        Args:
            path: ``.wav`` or ``.flac``.
            take: Counted from 1, as in the names of what ``cinefoley generate`` writes.
            subtype: How samples are stored: ``"PCM_16"``, ``"PCM_24"`` or, in a WAV, ``"FLOAT"``.

        Returns:
            What the samples were multiplied by: 1 unless the take was too loud.

        Raises:
            ValueError: If there is no such take.
            AudioError: If the suffix or the subtype is not supported.
            OutputError: If the file cannot be written.
        """
        if not 1 <= take <= len(self.audios):
            raise ValueError(f"take must be 1 to {len(self.audios)}, got {take}")
        with fitted_audio(Path(path), self.sample_rate, subtype=subtype) as sound:
            sound.write(self.audios[take - 1])
        return sound.gain
