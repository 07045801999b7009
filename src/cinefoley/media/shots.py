"""Shots of a video: find them with PySceneDetect, or read them from a shot list."""

import csv
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cinefoley.errors import CinefoleyError, DataError
from cinefoley.media.timing import video_duration

__all__ = ["Shot", "find_shots", "join_short_shots", "read_shots"]

_SHORTEST_S = 1e-3
_TOLERANCE_S = 0.05  # a frame at 20 per second: shot lists round
_COLUMNS = (("start_s", "end_s"), ("Start Time (seconds)", "End Time (seconds)"))


@dataclass(frozen=True, slots=True)
class Shot:
    """A section of a video between two cuts."""

    start_s: float
    """Start, in seconds from the first frame."""
    end_s: float
    """Start of the next shot, or end of the video."""


def find_shots(path: str | os.PathLike[str]) -> list[Shot]:
    """Find the shots of a video with PySceneDetect's content detector.

    Shots follow each other without a gap, from 0 to the end of the video; none is shorter than 15 frames. A
    video that PySceneDetect cannot decode is one shot.

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
            "`pip install scenedetect-headless`."
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
    return _between([0.0, *cuts, duration_s])


def read_shots(path: Path, duration_s: float) -> list[Shot]:
    """Read a shot list: a CSV file with the columns ``start_s`` and ``end_s``, or PySceneDetect's own.

    Times that no shot covers become shots of their own.

    Args:
        path: The CSV file; lines above the header, as PySceneDetect writes them, are skipped.
        duration_s: Length of the video.

    Raises:
        DataError: If the file cannot be read, has no such columns or no line, a time is no number, or a shot
            ends before it begins, overlaps the one before, or lies outside the video; names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise DataError(f"{path}: cannot be read as CSV ({exc}).") from exc
    head = next((n for n, row in enumerate(rows) if any(set(names) <= set(row) for names in _COLUMNS)), None)
    if head is None:
        raise DataError(f"{path}: has no columns start_s and end_s, nor those of PySceneDetect.")
    names = next(names for names in _COLUMNS if set(names) <= set(rows[head]))
    places = [rows[head].index(name) for name in names]
    shots: list[Shot] = []
    for number, row in enumerate(rows[head + 1 :], start=head + 2):
        if row:
            shots.append(_parse(path, number, row, places, shots[-1].end_s if shots else 0.0, duration_s))
    if not shots:
        raise DataError(f"{path}: lists no shot.")
    return _between(_borders(shots, duration_s))


def join_short_shots(shots: Sequence[Shot], least_s: float) -> list[Shot]:
    """Join every shot that is shorter than ``least_s`` with the one before it; the first with the one after.

    Raises:
        ValueError: If there is no shot.
    """
    if not shots:
        raise ValueError("there is no shot")
    joined = [shots[0]]
    for shot in shots[1:]:
        last = joined[-1]
        if min(shot.end_s - shot.start_s, last.end_s - last.start_s) < least_s:
            joined[-1] = Shot(last.start_s, shot.end_s)
        else:
            joined.append(shot)
    return joined


def _parse(
    path: Path, number: int, row: Sequence[str], places: Sequence[int], begin_s: float, duration_s: float
) -> Shot:
    where = f"{path}, line {number}"
    try:
        start_s, end_s = (float(row[place]) for place in places)
    except (ValueError, IndexError) as exc:
        raise DataError(f"{where}: the times of a shot are two numbers of seconds, got {row}.") from exc
    if not (math.isfinite(start_s) and math.isfinite(end_s) and start_s < end_s):
        raise DataError(f"{where}: a shot must end after it begins, got {start_s:g} to {end_s:g} s.")
    if start_s < begin_s - _TOLERANCE_S:
        what = "overlaps the one before" if begin_s else "begins before the video"
        raise DataError(f"{where}: the shot {what} (begins at {start_s:g} s, after {begin_s:g} s).")
    if end_s > duration_s + _TOLERANCE_S:
        raise DataError(f"{where}: the shot ends at {end_s:g} s, the video at {duration_s:g} s.")
    return Shot(max(start_s, begin_s), end_s)


def _borders(shots: Iterable[Shot], duration_s: float) -> list[float]:
    """Every begin and end from 0 to the end of the video, each once."""
    times = [0.0]
    for time_s in [t for shot in shots for t in (shot.start_s, shot.end_s)] + [duration_s]:
        if time_s > times[-1] + _TOLERANCE_S:
            times.append(time_s)
    times[-1] = duration_s
    return times


def _between(borders: Sequence[float]) -> list[Shot]:
    return [Shot(start, end) for start, end in pairwise(borders)]
