"""Reaper projects: the picture, takes on tracks and markers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cinefoley.delivery.cues import Cue
from cinefoley.delivery.packages import need
from cinefoley.delivery.timecode import TimecodeClock

__all__ = ["ReaperItem", "ReaperTrack", "reaper_project"]

_VERSION = "6.80"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaperItem:
    """A stretch of a file on a track."""

    file: str
    """The file, relative to the project."""
    name: str
    """Name of the item."""
    position_s: float
    """Where it begins, in seconds from the first frame of the project."""
    length_s: float
    """Its length."""
    file_offset_s: float = 0.0
    """First second of the file that is used: the handle."""
    is_video: bool = False
    """Whether the file is the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaperTrack:
    """A track."""

    name: str
    """Its name."""
    items: Sequence[ReaperItem]
    """In order of time."""
    is_muted: bool = False
    """Whether it is muted."""


def reaper_project(
    tracks: Sequence[ReaperTrack],
    cues: Sequence[Cue],
    clock: TimecodeClock,
    sample_rate: int,
    *,
    lead_s: float = 0.0,
) -> str:
    """The text of a project.

    Args:
        tracks: From top to bottom.
        cues: Become markers.
        clock: The ruler's rate and the timecode of the picture's first frame.
        sample_rate: Samples per second of the project.
        lead_s: Seconds of the project before the picture's first frame, as with a 2-pop.
    """
    package = need("rpp")
    offset_s = float(clock.start_frame / clock.rate) - lead_s
    rows: list[Any] = [
        ["PROJOFFS", f"{offset_s:.9f}", 0, 0],
        ["TIMEMODE", 1, 5, -1, clock.nominal_rate, _drop_mode(clock), 0, -1],  # ruler in frames
        ["SAMPLERATE", sample_rate, 1, 0],
    ]
    rows += [
        ["MARKER", number, f"{cue.time_s + lead_s:.6f}", cue.name, 0]
        for number, cue in enumerate(cues, start=1)
    ]
    rows += [_track(track, package.Element) for track in tracks]
    return str(package.dumps(package.Element("REAPER_PROJECT", ["0.1", _VERSION, 0], rows)))


def _track(track: ReaperTrack, element: Any) -> Any:
    items = [_item(item, element) for item in track.items]
    return element("TRACK", [], [["NAME", track.name], ["MUTESOLO", int(track.is_muted), 0, 0], *items])


def _item(item: ReaperItem, element: Any) -> Any:
    source = element("SOURCE", ["VIDEO" if item.is_video else "WAVE"], [["FILE", item.file]])
    rows = [
        ["POSITION", f"{item.position_s:.9f}"],
        ["LENGTH", f"{item.length_s:.9f}"],
        ["SOFFS", f"{item.file_offset_s:.9f}"],
        ["NAME", item.name],
        source,
    ]
    return element("ITEM", [], rows)


def _drop_mode(clock: TimecodeClock) -> int:
    """Reaper's number for the kind of rate: 1 drop-frame, 2 pulled down and not drop-frame, 0 whole."""
    if clock.is_drop_frame:
        return 1
    return 0 if clock.rate.denominator == 1 else 2
