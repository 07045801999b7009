"""Share of a heat map inside boxes."""

import torch
from torch import Tensor

__all__ = ["share_inside"]


def share_inside(heat: Tensor, boxes: Tensor) -> Tensor:
    """Share of each frame's heat inside its boxes.

    A cell of the map is taken as evenly warm, and counts by the part of it that is covered; so an even map
    gives a box's share of the frame.

    Args:
        heat: ``(T, h, w)``, 0 or more.
        boxes: ``(K, T, 4)``, of K targets, ``(x0, y0, x1, y1)`` as fractions of the frame; what lies outside
            [0, 1] does not count. Where boxes overlap in a cell, they are taken as independent of each other.

    Returns:
        ``(T,)``; NaN for frames without heat, or with no box in them.

    Raises:
        ValueError: If shapes do not fit each other, or heat is negative.
    """
    if heat.ndim != 3 or boxes.ndim != 3 or boxes.shape[1:] != (len(heat), 4):
        raise ValueError(
            f"need heat (T, h, w) and boxes (K, T, 4), got {tuple(heat.shape)}, {tuple(boxes.shape)}"
        )
    if not bool((heat >= 0).all()):
        raise ValueError("heat must be 0 or more")
    rows = _covered(boxes[..., 1], boxes[..., 3], heat.shape[1])
    columns = _covered(boxes[..., 0], boxes[..., 2], heat.shape[2])
    outside = 1 - rows[..., :, None] * columns[..., None, :]
    covered = 1 - outside.prod(dim=0)
    total = heat.sum(dim=(1, 2))
    share = (heat * covered).sum(dim=(1, 2)) / total
    known = (total > 0) & (covered.sum(dim=(1, 2)) > 0)
    return torch.where(known, share, torch.nan)


def _covered(low: Tensor, high: Tensor, count: int) -> Tensor:
    """Part of each of ``count`` equal intervals of [0, 1] between two points: ``(..., count)``."""
    edges = torch.linspace(0, 1, count + 1, dtype=low.dtype)
    begin = torch.maximum(low[..., None], edges[:-1])
    end = torch.minimum(high[..., None], edges[1:])
    return (end - begin).clamp(min=0) * count
