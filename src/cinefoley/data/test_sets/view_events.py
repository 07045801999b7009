"""Events of the stage's clips, as a test set of varied clips shows them."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from cinefoley.data.json_lines import Record
from cinefoley.errors import DataError
from cinefoley.stage.clip import describe_view
from cinefoley.variations.window import Window

__all__ = ["events_beside", "seen_through", "view_events"]


def events_beside(split_csv: Path) -> Path | None:
    """The events that belong to a list, as ``cinefoley stage export`` names them; None where there are none.

    For ``test.csv`` that is ``test.events.jsonl``.
    """
    path = split_csv.with_suffix(".events.jsonl")
    return path if path.is_file() else None


def view_events(events_path: Path, clips: Iterable[Record]) -> Iterator[Record]:
    """Say of every event whether the clip's window shows it, and when the window shows no target.

    Args:
        events_path: A line for each clip: ``id``, ``fps``, ``size``, ``events``, ``sources`` with the boxes
            of every frame, as ``cinefoley stage export`` writes them. Lines of other clips are passed over,
            and those without ``sources``: nobody knows what a window shows of them.
        clips: Lines of the set's manifest: ``id``, ``source``, ``window``.

    Yields:
        The line with its visibility and boxes as seen through the window
        (:func:`~cinefoley.stage.clip.describe_view`), ``clip``, the name under which sounds of the film are
        evaluated, and ``window``; in the file's order.

    Raises:
        DataError: If the file cannot be read, or a line does not describe a clip; names the line.
    """
    wanted = {record["id"]: record for record in clips}
    try:
        with events_path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    description = json.loads(line)
                    record = wanted.get(description["id"])
                    if record is not None and "sources" in description:
                        yield _view(description, record)
                except (ValueError, LookupError, TypeError) as exc:
                    raise DataError(
                        f"{events_path}, line {number}: not the events of a clip with its boxes "
                        f"({type(exc).__name__}: {exc}). Export the clips again with `cinefoley stage "
                        "export`, or move this file away."
                    ) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"{events_path}: cannot be read ({exc}).") from exc


def seen_through(description: Record, window: Window) -> Record:
    """A clip's line of events as a window shows it.

    Args:
        description: ``fps``, ``size`` ``[height, width]``, ``events``, and ``sources`` with their boxes.
        window: Of the same clip.

    Raises:
        ValueError, LookupError, TypeError: If it is not such a line.
    """
    height, width = description["size"]
    count = len(description["sources"][0]["target_boxes"])
    boxes = window.boxes(count, (height, width)).numpy() / np.array([width, height, width, height])
    return describe_view(description, boxes)


def _view(description: Record, record: Record) -> Record:
    return {
        **seen_through(description, Window.from_dict(record["window"])),
        "clip": Path(record["source"]).stem,
        "window": record["window"],
    }
