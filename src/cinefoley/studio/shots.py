"""Where a film is cut, and a picture of every shot."""

import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cinefoley.errors import CinefoleyError
from cinefoley.media.frames.video import load_video
from cinefoley.media.timing import video_duration

__all__ = ["Shot", "find_shots", "shot_picture"]

_SHORTEST_S = 1e-3


@dataclass(frozen=True, slots=True)
class Shot:
    """A stretch of film between two cuts."""

    start_s: float
    """From the first picture."""
    end_s: float
    """Where the next one begins, or the film ends."""


def find_shots(path: Path) -> list[Shot]:
    """The shots of a film, found by PySceneDetect's content detector; one for a film without a cut.

    They follow each other without a gap, from 0 to the end of the picture. A film that PySceneDetect's
    decoder does not read is one shot.

    Args:
        path: A film.

    Raises:
        MediaError: If the film cannot be used.
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
    # its clock is the frame number over the average rate; where that is off, ours sets the end
    cuts = [
        begin.seconds for begin, _ in scenes[1:] if _SHORTEST_S < begin.seconds < duration_s - _SHORTEST_S
    ]
    borders = [0.0, *cuts, duration_s]
    return [Shot(start, end) for start, end in pairwise(borders)]


def shot_picture(path: Path, shot: Shot, *, height: int = 90) -> bytes:
    """A JPEG of the middle of a shot.

    Args:
        path: The film.
        shot: Which shot.
        height: Pixels down; the width follows.

    Raises:
        MediaError: If the film cannot be read there.
    """
    from PIL import Image

    middle = (shot.start_s + shot.end_s) / 2
    frames = load_video(path, fps=25, start=max(0.0, middle - 0.02), duration=0.04).frames
    image = Image.fromarray(frames[0].permute(1, 2, 0).numpy())
    image.thumbnail((4 * height, height))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()
