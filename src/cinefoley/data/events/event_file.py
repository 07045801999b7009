"""Event files: JSON lines with the known events of each clip, as `cinefoley stage export` writes them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinefoley.data.events.clip_events import ClipEvents, parse_events
from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_source import Annotation, Clip, ClipEvent
from cinefoley.errors import DataError
from cinefoley.variations.window import Window

__all__ = ["EventFile", "event_file_beside", "read_annotations", "record_in_window", "records_in_windows"]


def event_file_beside(split_csv: Path) -> Path | None:
    """The event file of a split CSV: ``test.events.jsonl`` for ``test.csv``. None where there is none."""
    path = split_csv.with_suffix(".events.jsonl")
    return path if path.is_file() else None


def read_annotations(path: Path) -> dict[str, Annotation]:
    """Labels and events of every clip of an event file, by clip id.

    Args:
        path: A line for each clip: ``id``, ``events`` (objects with ``time_s`` and ``kind``, perhaps
            ``is_onset_like`` and ``strength``), and perhaps ``kinds``; everything else is ignored.

    Raises:
        DataError: If the file cannot be read, a line is not such an object, or a clip is there twice; names
            the line.
    """
    annotations: dict[str, Annotation] = {}
    for number, _, line in _lines(path):
        with _naming_line(path, number):
            record: dict[str, Any] = json.loads(line)
            name, annotation = str(record["id"]), _annotation(record)
        if name in annotations:
            raise DataError(f"{path}, line {number}: the clip {name!r} is there twice.")
        annotations[name] = annotation
    return annotations


def records_in_windows(path: Path, clips: Iterable[Record]) -> Iterator[Record]:
    """Records of an event file as the windows of a test set show them.

    Args:
        path: A line for each clip, see :func:`record_in_window`. Lines of other clips are skipped, and those
            without ``sources``: what a window shows of them is not known.
        clips: Lines of the test set's manifest: ``id``, ``source``, ``window``.

    Yields:
        The record as the window shows it, ``clip``, the name under which sounds of the clip are evaluated,
        and ``window``; in the file's order.

    Raises:
        DataError: If the file cannot be read, or a line does not describe a clip; names the line.
    """
    wanted = {record["id"]: record for record in clips}
    for number, _, line in _lines(path):
        with _naming_line(path, number):
            record = json.loads(line)
            clip = wanted.get(record["id"])
            if clip is None or "sources" not in record:
                continue
            seen = record_in_window(record, Window.from_dict(clip["window"]))
        yield {**seen, "clip": Path(clip["source"]).stem, "window": clip["window"]}


def record_in_window(record: Mapping[str, Any], window: Window) -> Record:
    """A clip's record with boxes and visibility as a window shows them.

    Args:
        record: ``fps``, ``size`` ``[height, width]``, ``events``, and ``sources`` with the boxes of every
            frame.
        window: A window of the same clip.

    Raises:
        ValueError, LookupError, TypeError: If it is not such a record.
    """
    height, width = record["size"]
    count = len(record["sources"][0]["target_boxes"])
    from cinefoley.stage.clip import describe_view  # loads what renders the stage

    fitted = window.lasting((count - 1) / float(record["fps"]))
    boxes = fitted.boxes(count, (height, width)).numpy() / np.array([width, height, width, height])
    seen = describe_view(record, boxes)
    for openings in fitted.openings(count):
        seen = _seen_through(seen, openings)
    return seen


def _seen_through(record: Record, openings: NDArray[np.float64]) -> Record:
    """A record with the visibility that disjoint openings ``(K, T, 4)`` of the frame leave; boxes stay."""
    from cinefoley.stage.clip import describe_view

    views = [describe_view(record, boxes) for boxes in openings]
    names = ("is_visible", "is_context_visible")
    events = [
        {**event, **{name: event[name] and any(each[name] for each in parts) for name in names}}
        for event, *parts in zip(record["events"], *(view["events"] for view in views), strict=True)
    ]
    sources = [
        {
            **source,
            "is_visible": [
                was and any(now)
                for was, *now in zip(source["is_visible"], *(p["is_visible"] for p in parts), strict=True)
            ],
        }
        for source, *parts in zip(record["sources"], *(view["sources"] for view in views), strict=True)
    ]
    spans = [view["off_screen"] for view in views]
    hidden = _off_screen(record["off_screen"], spans, len(openings[0]), float(record["fps"]))
    return {**record, "events": events, "sources": sources, "off_screen": hidden}


def _off_screen(
    before: Sequence[Sequence[float]], openings: Sequence[Sequence[Sequence[float]]], count: int, fps: float
) -> list[list[float]]:
    """Spans in which nothing was in the frame before, or nothing is seen through any opening."""

    def covered(spans: Sequence[Sequence[float]]) -> NDArray[np.bool_]:
        middles = (np.arange(count) + 0.5) / fps
        inside = np.zeros(count, dtype=bool)
        for begin, end in spans:
            inside |= (middles > begin) & (middles < end)
        return inside

    is_hidden = covered(before) | np.all([covered(spans) for spans in openings], axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_hidden.astype(int), [0]])))
    found: list[list[float]] = np.round(edges.reshape(-1, 2) / fps, 6).tolist()
    return found


class EventFile:
    """Known events of clips by id; only the records that are asked for are kept in memory.

    Args:
        path: A line for each clip: ``id``, ``events``, and perhaps ``fps``, ``size`` and ``sources`` with the
            boxes of every frame.
        until_s: End of the takes: later events are dropped. None keeps all.

    Raises:
        DataError: If the file cannot be read, or a line is not the events of a clip; names the line.
    """

    def __init__(self, path: Path, *, until_s: float | None = None) -> None:
        self._path, self._until_s = path, until_s
        self._places: dict[str, tuple[int, int, int]] = {}
        digest = hashlib.sha256()
        for number, start, line in _lines(path, digest):
            self._places[self._parse(number, line)["id"]] = number, start, len(line)
        self.digest = digest.hexdigest()
        """SHA-256 of the file."""
        self._record = lru_cache(maxsize=4)(self._read)  # takes of one clip are judged one after the other

    @property
    def name(self) -> str:
        """File name and digest."""
        return f"{self._path.name} (sha256:{self.digest[:12]})"

    def __call__(self, clip: Clip, window: Window | None) -> ClipEvents | None:
        """Events of one clip, as a window shows them or, with None, in the whole frame.

        Returns:
            None where the clip is not in the file, or its record has no boxes to see through a window.

        Raises:
            DataError: If the record is damaged; names the line.
        """
        if clip.id not in self._places:
            return None
        record = self._record(clip.id)
        if window is not None and "sources" not in record:
            return None
        with _naming_line(self._path, self._places[clip.id][0]):
            return parse_events(record if window is None else record_in_window(record, window))

    def _read(self, name: str) -> Record:
        number, start, length = self._places[name]
        with _naming_file(self._path), self._path.open("rb") as file:
            file.seek(start)
            return self._parse(number, file.read(length))

    def _parse(self, number: int, line: bytes) -> Record:
        with _naming_line(self._path, number):
            record: Record = json.loads(line)
            limit = self._until_s
            events = [event for event in record["events"] if limit is None or float(event["time_s"]) < limit]
            return record | {"id": str(record["id"]), "events": events}


def _annotation(record: Mapping[str, Any]) -> Annotation:
    events = [
        ClipEvent(
            time_s=float(event["time_s"]),
            kind=str(event["kind"]),
            is_onset_like=bool(event.get("is_onset_like", True)),
            strength=float(event.get("strength", 1.0)),
        )
        for event in record["events"]
    ]
    kinds = record.get("kinds", list(dict.fromkeys(event.kind for event in events)))
    ordered = tuple(sorted(events, key=lambda event: event.time_s))
    return Annotation(labels=tuple(map(str, kinds)), events=ordered)


def _lines(path: Path, digest: "hashlib._Hash | None" = None) -> Iterator[tuple[int, int, bytes]]:
    """Number, offset and content of every line that is not blank; ``digest`` is updated with all lines."""
    start = 0
    with _naming_file(path), path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if digest is not None:
                digest.update(line)
            if line.strip():
                yield number, start, line
            start += len(line)


@contextmanager
def _naming_file(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise DataError(f"{path}: cannot be read ({exc.strerror}).") from exc


@contextmanager
def _naming_line(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise DataError(
            f"{path}, line {number}: not the events of a clip ({type(exc).__name__}: {exc}). Expected one "
            "JSON object per clip, with id and events, each with time_s and kind. Export the clips again "
            "with `cinefoley stage export`, or move this file away."
        ) from exc
