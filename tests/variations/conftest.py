"""Frames whose pixels say where they are, and seeded generators."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor


@pytest.fixture
def seeded() -> Callable[[int], torch.Generator]:
    return lambda seed: torch.Generator().manual_seed(seed)


@pytest.fixture
def addresses() -> Callable[..., Tensor]:
    """``addresses(T, H, W)`` gives ``(T, 3, H, W)`` int64 whose channels are frame, row and column."""

    def make(num_frames: int, height: int, width: int) -> Tensor:
        axes = [torch.arange(n) for n in (num_frames, height, width)]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=1)

    return make


@pytest.fixture
def cuda() -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device("cuda")
