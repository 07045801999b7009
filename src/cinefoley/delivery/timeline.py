"""OpenTimelineIO timelines: the picture and takes on tracks, placed by timecode."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cinefoley.delivery.packages import need
from cinefoley.delivery.timecode import TimecodeClock

__all__ = ["TimelineClip", "audio_track", "new_timeline", "picture_track", "range_at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineClip:
    """A stretch of a sound file on a track."""

    name: str
    """Name of the clip."""
    url: str
    """The file, relative to the timeline's folder or as a ``file:`` address."""
    start_frame: int
    """First frame used, from midnight; the file's timecode and the timeline's are the same."""
    num_frames: int
    """Frames used."""
    file_start_frame: int
    """First frame of the file, earlier by the handle."""
    file_num_frames: int
    """Frames of the file."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Metadata, such as model and seed."""


def new_timeline(name: str, clock: TimecodeClock, *, start_frame: int | None = None) -> Any:
    """An empty timeline that starts at a frame from midnight; None: the first frame of the video."""
    otio = need("opentimelineio")
    start = clock.start_frame if start_frame is None else start_frame
    return otio.schema.Timeline(name, global_start_time=_time(start, clock))


def picture_track(url: str, clock: TimecodeClock, num_frames: int, *, lead_frames: int = 0) -> Any:
    """A video track with the whole video, as a reference, after a gap."""
    otio = need("opentimelineio")
    whole = range_at(clock.start_frame, num_frames, clock)
    reference = otio.schema.ExternalReference(target_url=url, available_range=whole)
    track = otio.schema.Track("Picture", kind=otio.schema.TrackKind.Video)
    if lead_frames:
        track.append(otio.schema.Gap(source_range=range_at(0, lead_frames, clock)))
    track.append(otio.schema.Clip(url.rsplit("/", 1)[-1], media_reference=reference, source_range=whole))
    return track


def audio_track(
    name: str,
    clips: Sequence[TimelineClip],
    clock: TimecodeClock,
    *,
    start_frame: int | None = None,
    is_enabled: bool = True,
) -> Any:
    """An audio track with clips in order of time, and gaps between them."""
    otio = need("opentimelineio")
    track = otio.schema.Track(name, kind=otio.schema.TrackKind.Audio)
    track.enabled = is_enabled
    position = clock.start_frame if start_frame is None else start_frame
    for clip in clips:
        if clip.start_frame > position:
            track.append(otio.schema.Gap(source_range=range_at(0, clip.start_frame - position, clock)))
        available = range_at(clip.file_start_frame, clip.file_num_frames, clock)
        reference = otio.schema.ExternalReference(target_url=clip.url, available_range=available)
        used = range_at(clip.start_frame, clip.num_frames, clock)
        metadata = {"cinefoley": clip.notes}
        track.append(
            otio.schema.Clip(clip.name, media_reference=reference, source_range=used, metadata=metadata)
        )
        position = clip.start_frame + clip.num_frames
    return track


def range_at(start_frame: int, num_frames: int, clock: TimecodeClock) -> Any:
    """A range of frames in OpenTimelineIO's form."""
    return need("opentimelineio").opentime.TimeRange(_time(start_frame, clock), _time(num_frames, clock))


def _time(frame: int, clock: TimecodeClock) -> Any:
    return need("opentimelineio").opentime.RationalTime(frame, float(clock.rate))
