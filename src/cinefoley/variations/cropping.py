"""Crop frames in memory to a window or to one box per frame."""

import torch
from torch import Tensor

from cinefoley.variations.window import Window

__all__ = ["crop", "crop_to_boxes", "frame_size"]


def crop(video: Tensor, window: Window) -> Tensor:
    """Cut a window out of every frame of a clip.

    Args:
        video: Frames, ``(..., T, C, H, W)``, any dtype and device. All clips of a batch get the same window.
        window: Drawn for frames of this height and width; ``window.on(size)`` fits it to others.

    Returns:
        ``(..., T, C, H', W')``. A view of ``video`` where the window stands still, a copy where it moves.

    Raises:
        ValueError: If the frames have another size than the window, or are too few for a movement.
    """
    size = frame_size(video)
    if size != window.size:
        raise ValueError(
            f"the window was drawn for frames of {window.size}, but these are {size} (height, width); "
            "window.on(size) fits it to them"
        )
    num_frames = video.shape[-4]
    if window.is_moving:
        return crop_to_boxes(video, window.boxes(num_frames))
    x0, y0, x1, y1 = window.box_at(0)
    return video[..., y0:y1, x0:x1]


def crop_to_boxes(video: Tensor, boxes: Tensor) -> Tensor:
    """Cut one box out of each frame.

    Args:
        video: Frames, ``(..., T, C, H, W)``, any dtype and device.
        boxes: ``(T, 4)`` integers, ``(x0, y0, x1, y1)`` in pixels, all of one size and inside the frame.

    Returns:
        A copy, ``(..., T, C, H', W')``.

    Raises:
        ValueError: If the boxes differ in size or number, are empty, or reach outside the frame.
    """
    height, width = frame_size(video)
    rows: list[list[int]] = boxes.tolist()
    sizes = {(y1 - y0, x1 - x0) for x0, y0, x1, y1 in rows}
    if len(rows) != video.shape[-4] or len(sizes) != 1 or min(min(size) for size in sizes) < 1:
        raise ValueError(f"{video.shape[-4]} frames need as many boxes of one size, got {rows}")
    if any(x0 < 0 or y0 < 0 or x1 > width or y1 > height for x0, y0, x1, y1 in rows):
        raise ValueError(f"boxes must lie inside frames of {(height, width)} (height, width), got {rows}")
    cut = [video[..., t, :, y0:y1, x0:x1] for t, (x0, y0, x1, y1) in enumerate(rows)]
    return torch.stack(cut, dim=-4)


def frame_size(video: Tensor) -> tuple[int, int]:
    """Height and width of frames ``(..., T, C, H, W)``.

    Raises:
        ValueError: If there are fewer than four dimensions, or frames without pixels.
    """
    if video.ndim < 4 or 0 in video.shape[-2:]:
        raise ValueError(f"frames must be (..., T, C, H, W) with H, W >= 1, got {tuple(video.shape)}")
    return video.shape[-2], video.shape[-1]
