"""Convert decoded frames to upright RGB pixels; resize and rotate pixels."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from av.sidedata.sidedata import Type as SideDataType
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from PIL import Image
from torch.nn import functional as F

__all__ = [
    "Pixels",
    "display_matrix",
    "has_alpha",
    "orient",
    "resize",
    "resize_fast",
    "rotation_degrees",
    "to_rgb",
]

Pixels = npt.NDArray[np.uint8]
"""RGB pixels, ``(H, W, 3)`` uint8."""


def to_rgb(frame: VideoFrame) -> Pixels:
    """Convert a decoded frame to upright RGB.

    Any pixel format and bit depth; colour matrix and range as the frame states them (BT.601, limited, where
    it does not). What is transparent is shown over black, because the colour stored under it is arbitrary.
    Interlaced frames stay woven, HDR is not tone-mapped, pixels are not stretched to a sample aspect ratio.

    Args:
        frame: A frame from a decoder.

    Returns:
        ``(H, W, 3)`` uint8, turned and mirrored as the display matrix of the frame says.
    """
    if has_alpha(frame.format):
        rgba = frame.to_ndarray(format="rgba", threads=1).astype(np.uint16)
        rgb = ((rgba[..., :3] * rgba[..., 3:] + 127) // 255).astype(np.uint8)
    else:
        # One thread: starting more for every frame costs what they save, and much more on a busy machine.
        rgb = frame.to_ndarray(format="rgb24", threads=1).astype(np.uint8, copy=False)
    return orient(rgb, display_matrix(frame))


def has_alpha(pixel_format: VideoFormat) -> bool:
    """Whether frames of this format can be transparent; a palette may hold transparent entries."""
    return pixel_format.name == "pal8" or any(component.is_alpha for component in pixel_format.components)


def rotation_degrees(matrix: tuple[int, int, int, int]) -> int:
    """Degrees counter-clockwise of a display matrix, to the nearest quarter turn, without mirroring."""
    a, b, _, _ = matrix
    if abs(b) > abs(a):
        return 90 if b < 0 else 270
    return 180 if a < 0 else 0


def display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """The linear part (a, b, c, d) of a display matrix: x' = a x + c y, y' = b x + d y, with y down."""
    for data in _side_data(frame):
        if data.type == SideDataType.DISPLAYMATRIX:
            matrix = np.frombuffer(bytes(data), dtype=np.int32)
            return int(matrix[0]), int(matrix[1]), int(matrix[3]), int(matrix[4])
    return 1, 0, 0, 1


def orient(pixels: Pixels, matrix: tuple[int, int, int, int]) -> Pixels:
    """Turn and mirror pixels as a display matrix says, to the nearest quarter turn.

    Args:
        pixels: ``(H, W, 3)``.
        matrix: As :func:`display_matrix` returns it.

    Returns:
        ``(H, W, 3)``, or ``(W, H, 3)`` after a quarter turn.
    """
    a, b, c, d = matrix
    is_quarter_turn = abs(b) > abs(a)
    if is_quarter_turn:
        pixels = pixels.transpose(1, 0, 2)
    flips_x, flips_y = (c < 0, b < 0) if is_quarter_turn else (a < 0, d < 0)
    return pixels[:: -1 if flips_y else 1, :: -1 if flips_x else 1]


def resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize pixels to ``size`` (height, width), bilinear and antialiased, the aspect ratio not kept.

    Source: Diff-Foley reads its frames through Pillow's bilinear filter.
    """
    height, width = size
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.uint8)


def resize_fast(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """What :func:`resize` gives, by PyTorch's kernel: in a quarter of the time, and within 1 of it.

    For frames that JPEG has changed by more than that already. Of JPEGs at 640x360, resized to 224x224,
    one number in 1,100 differs (``benchmarks/data/shards.py``).

    Args:
        pixels: ``(H, W, 3)`` uint8.
        size: Height and width, each 1 or more.

    Returns:
        ``(*size, 3)`` uint8; ``pixels`` itself where it has that size already.
    """
    if pixels.shape[:2] == tuple(size):
        return pixels
    frame = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    squashed = F.interpolate(frame, size, mode="bilinear", antialias=True)
    return np.asarray(squashed[0].permute(1, 2, 0).numpy(), dtype=np.uint8)


def _side_data(frame: VideoFrame) -> Any:
    return frame.side_data  # PyAV's stub calls it a dictionary; iterated, it gives the entries
