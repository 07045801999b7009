"""Thumbnail of a shot."""

import io
from pathlib import Path

from cinefoley.media.frames.video import load_video
from cinefoley.media.shots import Shot

__all__ = ["shot_thumbnail"]


def shot_thumbnail(path: Path, shot: Shot, *, height: int = 90) -> bytes:
    """The frame in the middle of a shot, as a JPEG.

    Args:
        path: The video.
        shot: The shot.
        height: Height in pixels; the width follows from the frame's shape.

    Raises:
        MediaError: If the frame cannot be read.
    """
    from PIL import Image

    middle = (shot.start_s + shot.end_s) / 2
    frames = load_video(path, fps=25, start=max(0.0, middle - 0.02), duration=0.04).frames
    image = Image.fromarray(frames[0].permute(1, 2, 0).numpy())
    image.thumbnail((4 * height, height))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()
