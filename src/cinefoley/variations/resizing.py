"""Resize frames in memory to the size that a video encoder takes."""

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.variations.cropping import frame_size

__all__ = ["resize"]


def resize(video: Tensor, size: tuple[int, int]) -> Tensor:
    """Squash frames to one size, bilinear and antialiased, the aspect ratio not kept.

    Only the tensor's own pixels count: those around a crop do not, even where it is a view of larger frames.

    Source: Diff-Foley reads its frames through Pillow's bilinear filter; uint8 is within 2 of that,
    and almost always within 1.

    Args:
        video: Frames, ``(..., T, C, H, W)``, uint8 or floating, any device.
        size: Height and width.

    Returns:
        ``(..., T, C, *size)``, same dtype and device; ``video`` itself where it has that size already.

    Raises:
        ValueError: If ``size`` is not positive.
        TypeError: If the dtype is neither uint8 nor floating.

    Examples:
        >>> resize(torch.zeros(32, 3, 120, 160, dtype=torch.uint8), (224, 224)).shape
        torch.Size([32, 3, 224, 224])
    """
    if min(size) < 1:
        raise ValueError(f"size must be at least (1, 1), got {size}")
    if video.dtype != torch.uint8 and not video.is_floating_point():
        raise TypeError(f"frames must be uint8 or floating, got {video.dtype}")
    if frame_size(video) == tuple(size):
        return video
    if 0 in video.shape:
        return video.new_empty((*video.shape[:-2], *size))
    frames = video.flatten(0, -4)
    dtype = _working_dtype(video)
    squashed = F.interpolate(frames.to(dtype), size, mode="bilinear", antialias=True)
    if video.dtype == torch.uint8 and dtype != torch.uint8:
        squashed = squashed.round_().clamp_(0, 255)
    return squashed.to(video.dtype).reshape(*video.shape[:-2], *size)


def _working_dtype(video: Tensor) -> torch.dtype:
    """What the kernel runs in: PyTorch has it for bytes on the CPU alone, and for halves nowhere exactly."""
    if video.dtype == torch.float64 or (video.dtype == torch.uint8 and video.device.type == "cpu"):
        return video.dtype
    return torch.float32
