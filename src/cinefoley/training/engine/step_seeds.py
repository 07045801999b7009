"""Random seeds of training steps: a generator for each step, so that a resumed run repeats its draws."""

import torch

__all__ = ["step_generator"]


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of every random number in step ``step`` (counted from 0) of a run with ``seed``."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) % 2**63
    return torch.Generator().manual_seed(mixed)
