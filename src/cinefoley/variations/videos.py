"""Apply variations to video files: draw a window, crop while decoding, or write a cropped video."""

import os
from fractions import Fraction
from pathlib import Path

import torch

from cinefoley.errors import VideoError
from cinefoley.media.frames.crop import Crop, FrameChange, last_frame_time
from cinefoley.media.frames.pixels import Pixels
from cinefoley.media.frames.video import Video, load_video
from cinefoley.media.muxing.crop_video import crop_video
from cinefoley.media.probe import probe
from cinefoley.media.sections import Seconds
from cinefoley.variations.showing import show_frame
from cinefoley.variations.variation import Variation
from cinefoley.variations.window import Box, Window

__all__ = ["draw_for_video", "follow_window", "load_varied_video", "vary_video"]


def draw_for_video(
    variation: Variation, path: str | os.PathLike[str], *, generator: torch.Generator | None = None
) -> Window:
    """Draw a window for a video's upright frames, on even pixels, because 4:2:0 shares colour among 2x2.

    Args:
        variation: What to draw.
        path: The video.
        generator: As for :meth:`Variation.draw`.

    Raises:
        MediaError: If the video cannot be read.
        VideoError: If it has no frame, less than 2x2 pixels, one frame only where the window changes, or
            fewer seconds than the variation needs.
    """
    name, info = Path(path).name, probe(path).video
    if info is None:
        raise VideoError(f"{name}: no video stream; a variation needs one.")
    if min(info.width, info.height) < 2:
        raise VideoError(f"{name}: {info.width}x{info.height} pixels hold no window; 2x2 are the least.")
    window = variation.draw((info.height, info.width), generator=generator).on(
        (info.height, info.width), multiple=2
    )
    if not window.is_moving:
        return window
    last_s, what = float(last_frame_time(path)), window.kind.replace("_", " ")
    if last_s <= 0:
        raise VideoError(f"{name}: holds one frame only; a {what} needs two at least.")
    if last_s < variation.least_s:
        raise VideoError(f"{name}: lasts {last_s:.2f} s; a {what} needs {variation.least_s:g} s at least.")
    return window.lasting(last_s)


def follow_window(window: Window, path: str | os.PathLike[str]) -> Crop | FrameChange:
    """The window in every frame of a video, for ``crop=`` of ``load_video`` and ``stream_windows``.

    The window is at its start in the video's first frame and at its end in the last one; between them it
    changes with the time that the file gives each frame, so variable rates come out right, and the same
    source frame shows the same pixels at any sampling rate and in any section. A window that only crops gives
    a :data:`Crop`, any other a :class:`FrameChange`.

    Args:
        window: Drawn for this video, or for another size of it.
        path: The video.

    Raises:
        MediaError: If the video cannot be read.
        VideoError: If it has no frame.
    """
    last = last_frame_time(path) if window.is_moving else Fraction(0)
    fitted = window.lasting(float(last))

    def progress(time: Fraction) -> float:
        return min(1.0, float(time / last)) if last else 0.0

    def box_at(time: Fraction, size: tuple[int, int]) -> Box:
        return window.on(size).box_at(progress(time))

    def change(time: Fraction, pixels: Pixels) -> Pixels:
        return show_frame(pixels, fitted, progress(time))

    return box_at if window.is_crop else FrameChange(change)


def load_varied_video(
    path: str | os.PathLike[str],
    window: Window,
    fps: Seconds = 4,
    size: tuple[int, int] | None = None,
    start: Seconds = 0.0,
    duration: Seconds | None = None,
) -> Video:
    """Read a video as :func:`cinefoley.media.load_video` does, showing only a window of it.

    Every source frame is cut before it is squashed to ``size``: what is seen is what a video of that window
    shows, but for the loss of encoding it.

    Args:
        path: The video, not varied.
        window: As :func:`draw_for_video` draws it.
        fps: Frames per second to sample at.
        size: Height and width to squash to; None keeps the window's.
        start: Seconds from the first frame.
        duration: Seconds to read; None reads to the end.

    Returns:
        The clip.

    Raises:
        MediaError: If the video cannot be read.
        VideoError: If it has no frame, or ends before ``start``.
        ValueError: If a number is out of range.

    Examples:
        >>> window = draw_for_video(CloseUp(), "rain.mp4", generator=generator)  # doctest: +SKIP
        >>> load_varied_video("rain.mp4", window, fps=4, size=(224, 224)).frames.shape  # doctest: +SKIP
        torch.Size([40, 3, 224, 224])
    """
    return load_video(path, fps, size, start, duration, crop=follow_window(window, path))


def vary_video(
    video_path: str | os.PathLike[str],
    out_path: str | os.PathLike[str],
    window: Window,
    *,
    encoder_threads: int = 1,
) -> None:
    """Write a video of a window: :func:`cinefoley.media.muxing.crop_video.crop_video` along its path.

    Where the window does more than crop, frames are changed as 8-bit RGB and stored as 4:2:0.

    Args:
        video_path: The video.
        out_path: Path of the new video; ``cropped_video_suffix`` gives its suffix.
        window: On even pixels, as :func:`draw_for_video` draws it.
        encoder_threads: Threads of the encoder; the same number gives the same bytes. 0 takes what there is.

    Raises:
        MediaError: If the video cannot be read, or the container cannot hold its audio.
        OutputError: If ``out_path`` cannot be written.
        ValueError: If the window is not on even pixels.
    """
    if window.multiple % 2:
        raise ValueError("videos need windows on even pixels: window.on(size, multiple=2)")
    crop_video(video_path, out_path, follow_window(window, video_path), encoder_threads=encoder_threads)
