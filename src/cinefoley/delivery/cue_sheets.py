"""Cue sheets: write cues as CSV, EDL, OpenTimelineIO markers or Reaper's region CSV, and read edited ones."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args

from cinefoley.delivery.cues import Cue
from cinefoley.delivery.edl import edl_text, picture_event
from cinefoley.delivery.packages import need
from cinefoley.delivery.timecode import TimecodeClock, read_rate
from cinefoley.delivery.timeline import new_timeline, picture_track, range_at
from cinefoley.errors import DataError, VideoError
from cinefoley.media.files.atomic_write import atomic_write

__all__ = ["CueFormat", "cue_sheet_path", "read_cues", "write_cues"]

CueFormat = Literal["csv", "edl", "otio", "reaper"]
"""Format of a cue sheet."""

_COLUMNS = ("cue", "timecode", "time_s", "generated_s", "strength_db", "kind", "note")
_START = "start"  # in the column cue: the row that states timecode and rate of the first frame
_REAPER_COLUMNS = ("#", "Name", "Start", "End", "Length")
_SUFFIXES: dict[CueFormat, str] = {"csv": ".csv", "edl": ".edl", "otio": ".otio", "reaper": ".reaper.csv"}
_CLOCK_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)")
_RATE = re.compile(r"(\d+(?:/\d+)?) fps")
_LARGEST = 2**24
_SAME_S = 0.0005
_COLOUR = "RED"


def cue_sheet_path(folder: Path, stem: str, form: CueFormat) -> Path:
    """File name of a cue sheet, such as ``rain.cues.csv`` or ``rain.cues.reaper.csv``."""
    return folder / f"{stem}.cues{_SUFFIXES[form]}"


def write_cues(
    path: Path, cues: Sequence[Cue], clock: TimecodeClock, *, video: Path, duration_s: float, form: CueFormat
) -> None:
    """Write a cue sheet.

    ``csv`` has the columns cue, timecode, time_s, generated_s, strength_db, kind and note; its first row
    states the timecode of the first frame. ``edl`` is a CMX 3600 list with
    the video as its only event and a ``LOC`` comment per cue. ``otio`` has a marker per cue on the video.
    ``reaper`` is what Reaper's region and marker manager imports.

    Args:
        path: The file.
        cues: In order of time.
        clock: The video's.
        video: The video; only its name is written.
        duration_s: Length of the video.
        form: The format.

    Raises:
        OutputError: If the file cannot be written.
        DependencyError: If ``otio`` is asked for and OpenTimelineIO is not installed.
        ValueError: If there is no such format.
    """
    if form not in get_args(CueFormat):
        raise ValueError(f"a cue sheet is {', '.join(get_args(CueFormat))}, got {form!r}")
    if form == "csv":
        text = _table(_COLUMNS, _rows(cues, clock))
    elif form == "reaper":
        text = _table(_REAPER_COLUMNS, _reaper_rows(cues))
    elif form == "edl":
        notes = [f"LOC: {clock.at(cue.time_s)} {_COLOUR:<7} {cue.name}" for cue in cues]
        text = edl_text(video.stem, [picture_event(video.name, clock, duration_s, notes=notes)], clock)
    else:
        text = _otio_text(cues, clock, video, duration_s)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def read_cues(path: Path, read_clock: Callable[[], TimecodeClock], *, duration_s: float) -> list[Cue]:
    """Read an edited cue sheet: the CSV of :func:`write_cues`, or Reaper's region CSV.

    A row needs ``time_s`` or ``timecode``. If they differ by more than a frame, the one counts that also
    differs from ``generated_s``, the time in the take: it was edited.

    Args:
        path: The file; comma, semicolon or tab between columns.
        read_clock: Gives the video's clock; called if there are timecodes and no row ``start``.
        duration_s: Length of the video.

    Returns:
        The cues, ascending.

    Raises:
        DataError: If the file cannot be read or has no cue, or a cue has no valid time, lies outside the
            video, or before the cue above it. Names file and line.
    """
    cues: list[Cue] = []
    clock: TimecodeClock | None = None
    for line, row in _read_rows(path):
        place = f"{path.name}, line {line}"
        if row.get("cue") == _START:
            clock = _read_start(row, read_clock, place)
            continue
        if row.get("timecode") and clock is None:
            clock = read_clock()
        cue = _read_row(row, clock, place)
        if not 0 <= cue.time_s < duration_s:
            raise DataError(
                f"{place}: {cue.time_s:.3f} s is outside the video, which lasts {duration_s:.3f} s."
            )
        if cues and cue.time_s <= cues[-1].time_s:
            raise DataError(
                f"{place}: at {cue.time_s:.3f} s, but the cue above is at {cues[-1].time_s:.3f} s. "
                "Cues must not cross; sort them by time."
            )
        cues.append(cue)
    if not cues:
        raise DataError(
            f"{path.name}: has no cue. Write one per line, below the header {','.join(_COLUMNS)}."
        )
    return cues


def _rows(cues: Sequence[Cue], clock: TimecodeClock) -> Iterator[tuple[object, ...]]:
    yield _START, clock.start, "0.000", "", "", "", f"first frame; {clock.rate} fps"
    for number, cue in enumerate(cues, start=1):
        strength = "" if cue.strength_db is None else f"{cue.strength_db:.1f}"
        generated_s = cue.time_s if cue.generated_s is None else cue.generated_s
        times = f"{cue.time_s:.3f}", f"{generated_s:.3f}"
        yield number, clock.at(cue.time_s), *times, strength, cue.kind, cue.note


def _reaper_rows(cues: Sequence[Cue]) -> Iterator[tuple[object, ...]]:
    for number, cue in enumerate(cues, start=1):
        yield f"M{number}", cue.name, _clock_time(cue.time_s), "", ""


def _clock_time(time_s: float) -> str:
    milliseconds = round(time_s * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _table(columns: Sequence[str], rows: Iterator[tuple[object, ...]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue()


def _otio_text(cues: Sequence[Cue], clock: TimecodeClock, video: Path, duration_s: float) -> str:
    timeline = new_timeline(video.stem, clock)
    picture = picture_track(video.name, clock, max(1, round(duration_s * float(clock.rate))))
    timeline.tracks.append(picture)
    for cue in cues:
        picture[0].markers.append(_marker(cue, clock))
    return str(timeline.to_json_string(indent=2))


def _marker(cue: Cue, clock: TimecodeClock) -> Any:
    about = {"time_s": cue.time_s, "strength_db": cue.strength_db, "kind": cue.kind, "note": cue.note}
    frame = clock.start_frame + round(Fraction(cue.time_s) * clock.rate)
    return need("opentimelineio").schema.Marker(
        name=cue.name,
        marked_range=range_at(frame, 1, clock),
        color=_COLOUR,
        metadata={"cinefoley": {key: value for key, value in about.items() if value is not None}},
    )


def _read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path.name}: is larger than a cue sheet can be ({_LARGEST >> 20} MiB).")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise DataError(f"{path}: cannot be read ({exc.strerror}).") from exc
    except UnicodeDecodeError:
        raise DataError(f"{path.name}: is no text. Write cues as CSV in UTF-8.") from None
    header = next(iter(text.splitlines()), "")
    separator = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=separator)
    names = {(name or "").strip() for name in reader.fieldnames or ()}
    if not names & {"time_s", "timecode", "Start"}:
        raise DataError(
            f"{path.name}: has no column time_s, timecode or Start. The first line must be a header such as "
            f"{','.join(_COLUMNS)}."
        )
    try:
        for row in reader:
            cells = {
                str(key).strip(): (value or "").strip()
                for key, value in row.items()
                if isinstance(value, str)
            }
            if any(cells.values()):
                yield reader.line_num, cells
    except csv.Error as exc:
        raise DataError(f"{path.name}, line {reader.line_num}: is no CSV ({exc}).") from exc


def _read_start(row: dict[str, str], read_clock: Callable[[], TimecodeClock], place: str) -> TimecodeClock:
    found = _RATE.search(row.get("note", ""))
    code = row.get("timecode", "")
    try:
        rate = read_rate(found[1]) if found else read_clock().rate
        return TimecodeClock.of(rate, start=code, is_drop_frame=";" in code)
    except VideoError as exc:
        raise DataError(f"{place}: {exc}") from exc


def _read_row(row: dict[str, str], clock: TimecodeClock | None, place: str) -> Cue:
    stated = row.get("time_s") or row.get("Start") or ""
    code = row.get("timecode", "")
    try:
        at = float(clock.seconds(code)) if code and clock is not None else None
    except VideoError as exc:
        raise DataError(f"{place}: {exc}") from exc
    time_s = _read_time(stated, place) if stated else at
    if time_s is None:
        raise DataError(f"{place}: has neither time_s nor timecode.")
    if at is not None and clock is not None and abs(at - time_s) > 1 / clock.rate:
        time_s = _edited(time_s, at, row.get("generated_s", ""), clock, place)
    return Cue(time_s=time_s, kind=row.get("kind", ""), note=row.get("note") or row.get("Name", ""))


def _edited(time_s: float, at: float, generated: str, clock: TimecodeClock, place: str) -> float:
    """Which of two times was edited: the one that is not the generated one."""
    if generated:
        before = _read_time(generated, place)
        if abs(before - time_s) < _SAME_S:
            return at
        if abs(before - at) <= 1 / clock.rate:
            return time_s
    raise DataError(
        f"{place}: time_s is {time_s:.3f}, but the timecode is {at:.3f} s. Empty the cell that is wrong."
    )


def _read_time(text: str, place: str) -> float:
    found = _CLOCK_TIME.fullmatch(text)
    if not found:
        raise DataError(f"{place}: {text!r} is no time; write seconds such as 2.5, or 0:00:02.500.")
    return int(found[1] or 0) * 3600 + int(found[2] or 0) * 60 + float(found[3])
