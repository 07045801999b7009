"""Shot detection, and a thumbnail of each shot."""

import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cinefoley.errors import CinefoleyError
from cinefoley.media.frames.video import load_video
from cinefoley.media.timing import video_duration

__all__ = ["Shot", "find_shots", "shot_thumbnail"]

_SHORTEST_S = 1e-3


@dataclass(frozen=True, slots=True)
class Shot:
    """A section of a video between two cuts."""

    start_s: float
    """Start, in seconds from the first frame."""
    end_s: float
    """Start of the next shot, or end of the video."""


def find_shots(path: Path) -> list[Shot]:
    """Find the shots of a video with PySceneDetect's content detector.

    Shots follow each other without a gap, from 0 to the end of the video. A video that PySceneDetect cannot
    decode is one shot.

    Args:
        path: The video.

    Raises:
        MediaError: If the video cannot be used.
        CinefoleyError: If PySceneDetect is not installed.
    """
    try:
        from scenedetect import ContentDetector, VideoOpenFailure, detect
    except ModuleNotFoundError as exc:
        raise CinefoleyError(
            "Finding shots needs PySceneDetect, which is not installed. Install it with "
            "`pip install 'cinefoley[web]'`."
        ) from exc
    duration_s = video_duration(path)
    try:
        scenes = detect(str(path), ContentDetector())
    except (VideoOpenFailure, OSError):
        scenes = []
    # PySceneDetect's times are frame numbers over the average rate; where they are wrong, our duration counts
    cuts = [
        begin.seconds for begin, _ in scenes[1:] if _SHORTEST_S < begin.seconds < duration_s - _SHORTEST_S
    ]
    borders = [0.0, *cuts, duration_s]
    return [Shot(start, end) for start, end in pairwise(borders)]


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
