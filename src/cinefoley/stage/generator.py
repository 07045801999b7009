"""Random numbers of the stage: one stream for each seed, split and purpose."""

import zlib
from typing import Literal

import numpy as np

__all__ = ["Split", "make_generator"]

Split = Literal["train", "valid", "test"]
"""The same seed gives unrelated clips in different splits."""


def make_generator(seed: int, split: str, purpose: str) -> np.random.Generator:
    """Source of random numbers for one purpose.

    The split's name enters the entropy, so that splits cannot share a stream whatever the seeds.
    """
    return np.random.Generator(
        np.random.PCG64([zlib.crc32(f"cinefoley-stage/{split}/{purpose}".encode()), seed])
    )
