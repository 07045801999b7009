"""The frames of a few stage clips, cached two to a file."""

from pathlib import Path
from typing import Any

import torch

from cinefoley.config.frame_rate import FrameRate
from cinefoley.data.cache.clip_frames import ClipFrames, FrameSettings
from cinefoley.data.cache.frame_cache import prepare_frames
from cinefoley.data.sources.stage import StageSource

__all__ = ["READING", "SIZE", "mean_error", "prepare"]

SIZE = (16, 16)
READING = FrameSettings.of(SIZE, FrameRate.of(4), duration_s=1.5, least_s=1.25, scale=0.4)


def prepare(cache: Path, count: int = 5, **options: Any) -> ClipFrames:
    """Cache the frames of the first clips of the split ``train``."""
    source = StageSource("train", count, duration_s=1.5)
    return prepare_frames(source, READING, cache, clips_per_file=2, **options)


def mean_error(first: torch.Tensor, second: torch.Tensor) -> float:
    """Mean difference of pixels."""
    return float((first.float() - second.float()).abs().mean())
