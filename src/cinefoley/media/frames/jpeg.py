"""Frames stored as JPEG bytes: encode, decode, and sample them like a video."""

import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction

import cv2
import numpy as np
from PIL import Image

from cinefoley.errors import VideoError
from cinefoley.media.containers import MOST_PIXELS
from cinefoley.media.frames.frame_source import RegularFrames
from cinefoley.media.frames.pixels import Pixels, resize_fast

__all__ = ["JpegFrames", "decode_jpeg", "encode_jpeg"]

_JPEG = b"\xff\xd8"  # how one begins; OpenCV would decode other formats too
_FLAGS = {
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB,  # the flag of the reduction, in colour
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_COLOR_RGB,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_COLOR_RGB,
}


def encode_jpeg(pixels: Pixels, *, quality: int) -> bytes:
    """One frame as JPEG with colour at half the resolution, as the video that it is from has it.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
        quality: 1 to 95.

    Returns:
        The file's bytes; the same for the same pixels.
    """
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def decode_jpeg(content: bytes, *, name: str = "a JPEG", reduction: int = 1) -> Pixels:
    """The pixels of a JPEG, ``(H, W, 3)`` uint8 RGB.

    Args:
        content: The file's bytes.
        name: What messages call it.
        reduction: 1, or 2, 4 or 8 for a frame with so many times fewer rows and columns, rounded up: its
            coarse frequencies alone, near the average of every block of pixels, for less work.

    Raises:
        VideoError: If it is no JPEG, or a damaged one.
        ValueError: If there is no such reduction.
    """
    if reduction not in _FLAGS:
        raise ValueError(f"reduction must be one of {', '.join(map(str, _FLAGS))}, got {reduction}")
    # the same pixels as Pillow's, in two thirds of the time
    pixels = None
    if content[:2] == _JPEG and _stated_pixels(content) <= MOST_PIXELS:
        with suppress(cv2.error):
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), _FLAGS[reduction])
    if pixels is None:
        raise VideoError(f"{name}: cannot be decoded as JPEG ({len(content)} bytes). It is damaged.")
    return np.asarray(pixels, dtype=np.uint8)


def _stated_pixels(content: bytes) -> int:
    """Pixels that the frame header of a JPEG states, for which OpenCV makes room; 0 where there is none."""
    at = 2
    while 0 < at < len(content) - 8:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if content[at] == 0xFF and 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = (int.from_bytes(content[at + n : at + n + 2], "big") for n in (5, 7))
            return height * width
        is_segment = content[at] == 0xFF and length >= 2
        at = at + 2 + length if is_segment else content.find(b"\xff", at + 1)
    return 0


class JpegFrames(RegularFrames):
    """JPEG frames at a constant rate, each decoded when its pixels are first asked for.

    :func:`~cinefoley.media.frames.pixels.resize_fast` resizes them; that took longer than decoding.

    Args:
        jpegs: Frame n, shown from ``n / fps`` on: a JPEG's bytes.
        fps: Their rate.
        duration: Where the last one stops being shown, in seconds.
        name: What messages call them.
        change: From the number of a frame and its pixels to what is shown of it; all of it if None.
    """

    def __init__(
        self,
        jpegs: Sequence[bytes],
        fps: Fraction,
        duration: Fraction,
        name: str,
        *,
        change: Callable[[int, Pixels], Pixels] | None = None,
    ) -> None:
        super().__init__(len(jpegs), fps, duration, name, self._load_jpeg, resize_by=resize_fast)
        self._jpegs, self._change = jpegs, change

    def _load_jpeg(self, index: int) -> Pixels:
        pixels = decode_jpeg(self._jpegs[index], name=f"{self.name}, frame {index}")
        return pixels if self._change is None else self._change(index, pixels)
