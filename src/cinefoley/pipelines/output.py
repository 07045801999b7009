"""What a generation returns."""

from dataclasses import dataclass, field

from torch import Tensor

__all__ = ["FoleyBlock", "FoleyOutput"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoleyBlock:
    """Sound that is finished after one window of film."""

    audios: Tensor
    """``(num_takes, n)`` float32 in [-1, 1]; blocks follow each other without a gap."""
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
    """Takes for one film."""

    audios: Tensor
    """``(num_takes, N)`` float32 in [-1, 1]; N is the film's length to the sample."""
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
