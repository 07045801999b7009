"""Show frames through a window: crop or resample them, then apply the window's effects."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from cinefoley.variations.cropping import crop, frame_size
from cinefoley.variations.resizing import resize
from cinefoley.variations.window import Window

__all__ = ["apply_effects", "show", "show_at", "show_frame"]


def show(video: Tensor, window: Window, progress: Sequence[float] | None = None) -> Tensor:
    """Show every frame of a clip through a window.

    A window of constant size without effects is cropped: no pixel changes. Otherwise boxes are resampled,
    bilinear and with fractions of pixels, to the largest size that the window has, and effects are applied.

    Args:
        video: Frames, ``(..., T, C, H, W)``, any device: uint8, or floating in [0, 1]. All clips of a batch
            get the same window. A window that only crops takes any dtype.
        window: Drawn for frames of this height and width; ``window.on(size)`` fits it to others.
        progress: ``(T,)`` in [0, 1], the time of each frame; evenly spaced from 0 to 1 if None.

    Returns:
        ``(..., T, C, H', W')``, same dtype. A view of ``video`` where the window only crops and stands still.

    Raises:
        ValueError: If the frames have another size than the window, or are too few for a window that changes.
        TypeError: If pixels have to be changed and the dtype is neither uint8 nor floating.
    """
    if window.is_crop and progress is None:
        return crop(video, window)
    if frame_size(video) != window.size:
        raise ValueError(
            f"the window was drawn for frames of {window.size}, but these are {frame_size(video)} (height, "
            "width); window.on(size) fits it to them"
        )
    num_frames = video.shape[-4]
    if progress is None:
        window.boxes(num_frames)  # too few frames are an error
        progress = [n / max(1, num_frames - 1) for n in range(num_frames)]
    if video.dtype != torch.uint8 and not video.is_floating_point():
        raise TypeError(f"frames must be uint8 or floating, got {video.dtype}")
    if 0 in video.shape:
        return video.new_empty((*video.shape[:-2], *window.crop_size))
    frames = _as_float(video).flatten(0, -5) if video.ndim > 4 else _as_float(video)[None]
    shown = torch.stack([_resample(frames[:, t], window, at) for t, at in enumerate(progress)], dim=1)
    shown = torch.stack([apply_effects(clip, window, progress) for clip in shown])
    shown = shown.reshape(*video.shape[:-2], *window.crop_size)
    if video.dtype == torch.uint8:
        return shown.mul(255).round_().clamp_(0, 255).to(torch.uint8)
    return shown.to(video.dtype)


def show_at(video: Tensor, window: Window, size: tuple[int, int]) -> Tensor:
    """Show a clip through a window at the size of a video encoder: :func:`show`, then a resize, but faster.

    Boxes are cut on whole pixels and resized at once, and effects are applied to the small frames.

    Args:
        video: Frames ``(T, C, H, W)``, uint8 or floating in [0, 1].
        window: Drawn for frames of this height and width.
        size: Height and width to squash to.

    Returns:
        ``(T, C, *size)``, same dtype.

    Raises:
        ValueError: If the frames have another size than the window, or are too few for a window that changes.
    """
    if window.is_crop:
        return resize(crop(video, window), size)
    if frame_size(video) != window.size:
        raise ValueError(
            f"the window was drawn for frames of {window.size}, but these are {frame_size(video)}"
        )
    boxes: list[list[int]] = window.boxes(len(video)).tolist()
    is_whole = all(box == [0, 0, window.size[1], window.size[0]] for box in boxes)
    cut = (video[t : t + 1, :, y0:y1, x0:x1] for t, (x0, y0, x1, y1) in enumerate(boxes))
    small = resize(video, size) if is_whole else torch.cat([resize(frame, size) for frame in cut])
    return apply_effects(small, window, [n / max(1, len(video) - 1) for n in range(len(video))])


def show_frame(pixels: NDArray[np.uint8], window: Window, progress: float) -> NDArray[np.uint8]:
    """Show one frame through a window.

    Args:
        pixels: ``(H, W, 3)``.
        window: Drawn for this frame, or for another size of it.
        progress: The frame's time, 0 at the clip's first frame and 1 at its last.

    Returns:
        ``(H', W', 3)``.
    """
    video = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
    shown = show(video, window.on((pixels.shape[0], pixels.shape[1])), [progress])
    return np.ascontiguousarray(shown[0].permute(1, 2, 0).numpy())


def apply_effects(frames: Tensor, window: Window, progress: Sequence[float]) -> Tensor:
    """Apply a window's effects to frames that show it already.

    Args:
        frames: ``(T, 3, H, W)``, uint8 or float32 in [0, 1], of any size.
        window: Whose effects.
        progress: ``(T,)`` in [0, 1], the time of each frame.

    Returns:
        ``frames`` itself if there are no effects, otherwise a new tensor of the same dtype.
    """
    if not window.effects:
        return frames
    times = torch.tensor(progress, dtype=torch.float64) * window.seconds
    changed = _as_float(frames)
    for effect in window.effects:
        changed = effect.apply(changed, times.to(changed.device), window.seconds, window.crop_size)
    if frames.dtype == torch.uint8:
        return changed.mul(255).round_().clamp_(0, 255).to(torch.uint8)
    return changed


def _as_float(video: Tensor) -> Tensor:
    return video.float() / 255 if video.dtype == torch.uint8 else video.float()


def _resample(frames: Tensor, window: Window, progress: float) -> Tensor:
    """One moment of several clips ``(B, C, H, W)``, at the window's largest size."""
    if window.is_crop:
        left, top, right, bottom = window.box_at(progress)
        return frames[..., top:bottom, left:right]
    y0, x0, height, width = window.framing_at(progress)
    size = window.crop_size
    if (height, width) == (1.0, 1.0) and size == tuple(frames.shape[-2:]):
        return frames
    # grid_sample's coordinates: -1 and 1 are the outer edges of the frame
    rows = (y0 + height * (torch.arange(size[0], device=frames.device) + 0.5) / size[0]) * 2 - 1
    columns = (x0 + width * (torch.arange(size[1], device=frames.device) + 0.5) / size[1]) * 2 - 1
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    return F.grid_sample(
        frames,
        grid.expand(len(frames), -1, -1, -1),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
