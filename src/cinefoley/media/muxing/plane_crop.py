"""Crop decoded frames plane by plane in their own pixel format, without conversion to RGB."""

from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace

from cinefoley.errors import VideoError
from cinefoley.media.frames.crop import Crop
from cinefoley.media.frames.pixels import display_matrix, has_alpha, orient, to_rgb

__all__ = ["PlaneCropper", "check_same_size", "tag_bt709"]

_BT709 = 1


class PlaneCropper:
    """Turns frames like a first one upright and cuts boxes out of them, in a format an encoder takes.

    Args:
        first: Tells pixel format, size and rotation of all.
        encoder: FFmpeg's name of the encoder.
        name: What messages call the video.
        crop: The box of every frame.

    Raises:
        ValueError: If the first box does not lie on even pixels inside the frame.
    """

    def __init__(self, first: VideoFrame, encoder: str, name: str, crop: Crop) -> None:
        self._name, self._crop = name, crop
        self._stored = (first.width, first.height)
        self._is_see_through = has_alpha(first.format)
        # what to_rgb makes of a transparent frame is upright already
        self._matrix = (1, 0, 0, 1) if self._is_see_through else display_matrix(first)
        shown = display_matrix(first)
        self.is_turned = abs(shown[1]) > abs(shown[0])
        """Whether height and width change places."""
        self.size = (first.width, first.height) if self.is_turned else (first.height, first.width)
        """Height and width of the upright frame."""
        self._is_rgb = first.format.is_rgb or self._is_see_through
        self.pixel_format = _planar_format(first.format, encoder, is_turned=self.is_turned)
        """What :meth:`show` returns."""
        self._chroma_steps = _chroma_steps(VideoFormat(self.pixel_format))
        x0, y0, x1, y1 = self._check(crop(Fraction(0), self.size))
        self.shown_size = (y1 - y0, x1 - x0)
        """Height and width of what is shown."""

    def _check(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """Hand a box back if it can be cut out.

        Raises:
            ValueError: If it does not lie on even pixels inside the frame.
        """
        x0, y0, x1, y1 = box
        height, width = self.size
        if any(edge % 2 for edge in box) or not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ValueError(f"a box must lie on even pixels inside {width}x{height}, got {box}")
        return box

    def show(self, frame: VideoFrame, time: Fraction) -> VideoFrame:
        """Cut its box out of a frame.

        Args:
            frame: Of the same size as the first.
            time: Seconds since the first.

        Returns:
            A frame without times, in :attr:`pixel_format`.

        Raises:
            VideoError: If the frame has another size.
            ValueError: If the box is odd, has another size than the first, or reaches outside the frame.
        """
        check_same_size(frame, self._stored, self._name)
        x0, y0, x1, y1 = box = self._check(self._crop(time, self.size))
        if (y1 - y0, x1 - x0) != self.shown_size:
            raise ValueError(f"all boxes of a video must have one size, got {box}")
        source = self._converted(frame)
        cut = VideoFrame(x1 - x0, y1 - y0, self.pixel_format)
        for n, (plane, target) in enumerate(zip(source.planes, cut.planes, strict=True)):
            across, down = self._chroma_steps if n else (1, 1)
            upright = orient(_samples(plane, source.format)[..., None], self._matrix)[..., 0]
            _samples(target, cut.format)[...] = upright[y0 // down : y1 // down, x0 // across : x1 // across]
        return cut

    def tag(self, context: VideoCodecContext, source: VideoCodecContext) -> None:
        """Tell an encoder what the colours mean: as in the source, or BT.709 where it was RGB."""
        if self._is_rgb:
            tag_bt709(context)
            return
        context.colorspace, context.color_range = source.colorspace, source.color_range
        context.color_primaries, context.color_trc = source.color_primaries, source.color_trc

    def _converted(self, frame: VideoFrame) -> VideoFrame:
        if self._is_see_through:
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(to_rgb(frame)), format="rgb24")
        if frame.format.name == self.pixel_format:
            return frame
        colours: dict[str, Any] = (
            {"dst_colorspace": Colorspace.ITU709, "dst_color_range": ColorRange.MPEG} if self._is_rgb else {}
        )
        return frame.reformat(format=self.pixel_format, threads=1, **colours)


def check_same_size(frame: VideoFrame, stored: tuple[int, int], name: str) -> None:
    """Check that a frame has the size of the first.

    Args:
        frame: The frame.
        stored: Width and height of the first.
        name: What messages call the video.

    Raises:
        VideoError: If it has another size.
    """
    if (frame.width, frame.height) != stored:
        (width, height), now = stored, (frame.width, frame.height)
        raise VideoError(
            f"{name}: its frames change their size from {width}x{height} to "
            f"{now[0]}x{now[1]} on the way. Export the video at one size first."
        )


def tag_bt709(context: VideoCodecContext) -> None:
    """Tell an encoder that colours are BT.709 in limited range."""
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = ColorRange.MPEG


def _planar_format(source: VideoFormat, encoder: str, *, is_turned: bool) -> str:
    """The planar format that keeps most of ``source`` among those that the encoder takes."""
    known = {known.name for known in av.codec.Codec(encoder, "w").video_formats or ()}
    steps = (2, 2) if len(source.components) == 1 else _chroma_steps(source)  # grey has no colour to keep
    if is_turned and steps[0] != steps[1]:
        steps = (1, 1)  # a quarter turn of 4:2:2 would be 4:4:0, which encoders do not take
    chroma = {(1, 1): "444", (1, 2): "444", (2, 1): "422", (4, 1): "422"}.get(steps, "420")
    full = "j" if source.name.startswith("yuvj") else ""
    wanted = [f"yuv{full}{chroma}p", f"yuv{chroma}p"]
    bits = max((component.bits for component in source.components), default=8)
    if bits > 8 and not has_alpha(source):  # what to_rgb makes of a transparent frame has 8
        wanted = [f"yuv{chroma}p10le", *wanted]
    return next(name for name in wanted if name in known)


def _chroma_steps(pixel_format: VideoFormat) -> tuple[int, int]:
    """How many pixels share a sample of colour, across and down."""
    return 8 // pixel_format.chroma_width(8), 8 // pixel_format.chroma_height(8)


def _samples(plane: VideoPlane, pixel_format: VideoFormat) -> npt.NDArray[Any]:
    """The samples of a plane, ``(height, width)``, sharing its memory."""
    dtype = np.dtype(np.uint8 if pixel_format.components[0].bits == 8 else np.uint16)
    buffer: npt.NDArray[Any] = np.frombuffer(memoryview(plane), dtype)
    return buffer.reshape(plane.height, plane.line_size // dtype.itemsize)[:, : plane.width]
