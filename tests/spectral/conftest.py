"""Sounds such as the stage makes."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

SAMPLE_RATE = 16000
NUM_SAMPLES = 128 * 256


@pytest.fixture(scope="session")
def sounds() -> Mapping[str, Tensor]:
    """Waveforms ``(1, 32768)``: clicks at samples 5000, 13111, 21222; tones that die away; noise."""
    generator = torch.Generator().manual_seed(5)
    seconds = torch.arange(NUM_SAMPLES) / SAMPLE_RATE
    clicks = torch.zeros(NUM_SAMPLES)
    for start in (5000, 13111, 21222):
        burst = torch.randn(400, generator=generator) * torch.exp(-torch.arange(400) / 60)
        clicks[start : start + 400] += 0.5 * burst
    tones = torch.zeros(NUM_SAMPLES)
    for start, hertz in ((2000, 330.0), (12000, 523.0), (20000, 1244.0)):
        after = seconds[: NUM_SAMPLES - start]
        tones[start:] += 0.4 * torch.exp(-4 * after) * torch.sin(2 * torch.pi * hertz * after)
    noise = 0.1 * torch.randn(NUM_SAMPLES, generator=generator)
    return {"clicks": clicks[None], "tones": tones[None], "noise": noise[None]}
