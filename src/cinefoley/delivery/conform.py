"""Timelines of a delivery: the same tracks as OpenTimelineIO, EDL, AAF and Reaper project."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

from cinefoley.delivery.cues import Cue
from cinefoley.delivery.edl import EdlEvent, edl_text, picture_event
from cinefoley.delivery.packages import need
from cinefoley.delivery.reaper import ReaperItem, ReaperTrack, reaper_project
from cinefoley.delivery.stems import Stem, stem_range
from cinefoley.delivery.timecode import TimecodeClock
from cinefoley.delivery.timeline import TimelineClip, audio_track, new_timeline, picture_track
from cinefoley.errors import OutputError
from cinefoley.media.files.atomic_write import atomic_write

__all__ = ["Conform", "write_timelines"]

_USED = "Foley"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conform:
    """What timelines are made of."""

    video: str
    """Name of the video, without suffix."""
    picture: str
    """File name of the picture reference."""
    stems: Sequence[tuple[Stem, str]]
    """Stems and their file names, without suffix."""
    clock: TimecodeClock
    """Timecode of the first frame."""
    num_frames: int
    """Frames of the video."""
    handle_s: float
    """Handles of the files."""
    sample_rate: int
    """Samples per second of the files."""
    lead_frames: int = 0
    """Frames of timecode before the picture."""
    two_pop: str | None = None
    """File name of the 2-pop."""

    @property
    def origin(self) -> int:
        """First frame of the timeline, from midnight."""
        return self.clock.start_frame - self.lead_frames

    def tracks(self) -> list[tuple[str, list[tuple[Stem, str]], bool]]:
        """Name, stems and whether it is heard, of each track: the used takes, then the others by take."""
        order = sorted(self.stems, key=lambda entry: (not entry[0].is_used, entry[0].take, entry[0].start_s))
        used = sorted((entry for entry in order if entry[0].is_used), key=lambda entry: entry[0].start_s)
        others = [entry for entry in order if not entry[0].is_used]
        alternatives = groupby(others, key=lambda entry: entry[0].take)
        named = [(f"Take {take}", list(entries), False) for take, entries in alternatives]
        return [(_USED, used, True), *named]

    def cut(self, stem: Stem) -> tuple[int, int]:
        """First frame of a stem between its cuts, from midnight, and its length."""
        frames = stem_range(stem, self.clock, num_frames=self.num_frames)
        return self.clock.start_frame + frames.start, frames.end - frames.start

    def file(self, stem: Stem) -> tuple[int, int]:
        """First frame of a stem's file with its handles, from midnight, and its length."""
        frames = stem_range(stem, self.clock, num_frames=self.num_frames, handle_s=self.handle_s)
        return self.clock.start_frame + frames.start, frames.end - frames.start


def write_timelines(conform: Conform, cues: Sequence[Cue], staging: Path, folder: Path) -> None:
    """Write ``.otio``, ``.edl``, ``.aaf`` and ``.rpp``.

    The EDL holds the picture and the used takes. The AAF loses names and mutes of tracks and the notes of
    clips; it addresses files by their full path, which editing software relinks by name.

    Args:
        conform: The tracks.
        cues: Become markers of the OpenTimelineIO file and of the Reaper project.
        staging: Folder to write into.
        folder: Folder that the files will be in.

    Raises:
        OutputError: If a file cannot be written.
        DependencyError: If a package of the extra ``delivery`` is missing.
    """
    stem = staging / conform.video
    _write(stem.with_name(f"{conform.video}.otio"), _otio(conform, prefix="").to_json_string(indent=2))
    _write(stem.with_name(f"{conform.video}.edl"), _edl(conform))
    _write(stem.with_name(f"{conform.video}.rpp"), _reaper(conform, cues))
    need("otio_aaf_adapter")
    with atomic_write(stem.with_name(f"{conform.video}.aaf")) as temporary:
        timeline = _otio(conform, prefix=f"{folder.absolute().as_uri()}/")
        named = temporary.with_suffix(".aaf")  # the adapter looks at the suffix
        try:
            need("opentimelineio").adapters.write_to_file(timeline, str(named), use_empty_mob_ids=True)
            named.replace(temporary)
        except OSError as exc:
            raise OutputError(f"{conform.video}.aaf: cannot be written ({exc.strerror}).") from exc
        finally:
            named.unlink(missing_ok=True)


def _otio(conform: Conform, *, prefix: str) -> Any:
    timeline = new_timeline(conform.video, conform.clock, start_frame=conform.origin)
    picture = picture_track(
        prefix + conform.picture, conform.clock, conform.num_frames, lead_frames=conform.lead_frames
    )
    timeline.tracks.append(picture)
    for name, entries, is_heard in conform.tracks():
        clips = [_clip(conform, stem, file, prefix) for stem, file in entries]
        timeline.tracks.append(
            audio_track(name, clips, conform.clock, start_frame=conform.origin, is_enabled=is_heard)
        )
    if conform.two_pop is not None:
        pop = TimelineClip(
            name="2-pop",
            url=prefix + conform.two_pop,
            start_frame=conform.origin,
            num_frames=conform.lead_frames,
            file_start_frame=conform.origin,
            file_num_frames=conform.lead_frames,
        )
        timeline.tracks.append(audio_track("2-pop", [pop], conform.clock, start_frame=conform.origin))
    return timeline


def _clip(conform: Conform, stem: Stem, file: str, prefix: str) -> TimelineClip:
    start, length = conform.cut(stem)
    file_start, file_length = conform.file(stem)
    return TimelineClip(
        name=file,
        url=f"{prefix}{file}.wav",
        start_frame=start,
        num_frames=length,
        file_start_frame=file_start,
        file_num_frames=file_length,
        notes={"shot": stem.shot, "take": stem.take, "model": stem.model, "seed": stem.seed},
    )


def _edl(conform: Conform) -> str:
    duration_s = float(conform.num_frames / conform.clock.rate)
    events = []
    if conform.two_pop is not None:
        pop = conform.two_pop
        events.append(
            EdlEvent(clip=pop, track="A", start_frame=conform.origin, num_frames=conform.lead_frames)
        )
    events.append(picture_event(conform.picture, conform.clock, duration_s))
    _, used, _ = conform.tracks()[0]
    for stem, file in used:
        start, length = conform.cut(stem)
        notes = [stem.note] if stem.note else []
        events.append(
            EdlEvent(clip=f"{file}.wav", track="A", start_frame=start, num_frames=length, notes=notes)
        )
    return edl_text(conform.video, events, conform.clock)


def _reaper(conform: Conform, cues: Sequence[Cue]) -> str:
    rate = conform.clock.rate

    def seconds(frame: int) -> float:
        return float(Fraction(frame - conform.origin) / rate)

    picture = ReaperItem(
        file=conform.picture,
        name=conform.video,
        position_s=seconds(conform.clock.start_frame),
        length_s=float(Fraction(conform.num_frames) / rate),
        is_video=True,
    )
    tracks = [ReaperTrack(name="Picture", items=[picture], is_muted=True)]
    for name, entries, is_heard in conform.tracks():
        items = []
        for stem, file in entries:
            (start, length), (file_start, _) = conform.cut(stem), conform.file(stem)
            items.append(
                ReaperItem(
                    file=f"{file}.wav",
                    name=file,
                    position_s=seconds(start),
                    length_s=float(Fraction(length) / rate),
                    file_offset_s=float(Fraction(start - file_start) / rate),
                )
            )
        tracks.append(ReaperTrack(name=name, items=items, is_muted=not is_heard))
    if conform.two_pop is not None:
        length_s = float(Fraction(conform.lead_frames) / rate)
        pop = ReaperItem(file=conform.two_pop, name="2-pop", position_s=0.0, length_s=length_s)
        tracks.append(ReaperTrack(name="2-pop", items=[pop]))
    lead_s = float(Fraction(conform.lead_frames) / rate)
    return reaper_project(tracks, cues, conform.clock, conform.sample_rate, lead_s=lead_s)


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
