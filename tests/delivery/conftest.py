"""Hits of noise at known times, and a small film."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cinefoley.media.muxing.save_video import save_video

MakeHits = Callable[..., Tensor]


@pytest.fixture(scope="session")
def make_hits() -> MakeHits:
    def make(times: Sequence[float], *, duration_s: float = 4.0, rate: int = 16000) -> Tensor:
        """Bursts of noise that decay within 0.2 s, over a little background noise."""
        generator = torch.Generator().manual_seed(0)
        sound = 1e-4 * torch.randn(round(duration_s * rate), generator=generator)
        for time in times:
            length = min(rate // 2, len(sound) - round(time * rate))
            decay = torch.exp(-torch.arange(length) / (0.05 * rate))
            burst = 0.4 * decay * torch.randn(length, generator=generator).clamp(-2, 2)
            sound[round(time * rate) : round(time * rate) + length] += burst
        return sound

    return make


@pytest.fixture(scope="session")
def small_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds at 25 frames per second."""
    path = tmp_path_factory.mktemp("films") / "rain.mp4"
    frames = torch.zeros(100, 3, 32, 48, dtype=torch.uint8)
    save_video(path, frames, Fraction(25))
    return path
