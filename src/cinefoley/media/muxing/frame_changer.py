"""Change decoded frames as RGB pixels, and hand them to an encoder as 8-bit 4:2:0."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from cinefoley.media.frames.pixels import Pixels, display_matrix, to_rgb
from cinefoley.media.muxing.plane_crop import check_same_size, tag_bt709

__all__ = ["FrameChanger"]


class FrameChanger:
    """Turns frames like a first one upright and changes their pixels.

    Args:
        first: Tells size and rotation of all.
        change: From seconds since the first frame, and the upright frame ``(H, W, 3)``, to what is shown; all
            results have one size, with even sides.
        name: What messages call the video.

    Raises:
        ValueError: If the first result has odd sides.
    """

    pixel_format = "yuv420p"
    """What :meth:`show` returns."""

    def __init__(self, first: VideoFrame, change: Callable[[Fraction, Pixels], Pixels], name: str) -> None:
        self._change, self._name = change, name
        self._stored = (first.width, first.height)
        matrix = display_matrix(first)
        self.is_turned = abs(matrix[1]) > abs(matrix[0])
        """Whether height and width change places."""
        shown = change(Fraction(0), to_rgb(first))
        self.shown_size = (shown.shape[0], shown.shape[1])
        """Height and width of what is shown."""
        if any(side % 2 for side in self.shown_size):
            raise ValueError(f"4:2:0 needs even sides, got {self.shown_size}")

    def show(self, frame: VideoFrame, time: Fraction) -> VideoFrame:
        """Change one frame.

        Args:
            frame: Of the same size as the first.
            time: Seconds since the first.

        Returns:
            A frame without times, in :attr:`pixel_format`.

        Raises:
            VideoError: If the frame has another size.
            ValueError: If the result has another size than the first.
        """
        check_same_size(frame, self._stored, self._name)
        shown = self._change(time, to_rgb(frame))
        if shown.shape[:2] != self.shown_size:
            raise ValueError(f"all frames must be shown at one size, got {shown.shape[:2]}")
        whole = VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb24")
        return whole.reformat(
            format=self.pixel_format,
            threads=1,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )

    def tag(self, context: VideoCodecContext, source: VideoCodecContext) -> None:
        """Tell an encoder what the colours mean: BT.709, limited range, whatever the source was."""
        tag_bt709(context)
