"""What happens in the films of an export, and what of it a window shows."""

import json
from functools import lru_cache
from pathlib import Path

from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_source import Clip
from cinefoley.data.test_sets.view_events import seen_through
from cinefoley.errors import DataError
from cinefoley.evaluation.folder.synchrony import ClipEvents, parse_events
from cinefoley.metrics.backbones.weights import file_digest
from cinefoley.variations.window import Window

__all__ = ["FilmEvents"]


class FilmEvents:
    """Tells the events of films from the file that lies beside their list.

    Lines without boxes (``sources``) say what happens and not what a window shows of it: the events of such a
    clip are known where it is seen whole.

    Args:
        path: A line for each clip: ``id``, ``events``, and perhaps ``fps``, ``size`` and ``sources`` with the
            boxes of every frame, as ``cinefoley stage export`` writes them.
        until_s: Where takes end; later events are none of theirs.

    Raises:
        DataError: If the file cannot be read, or a line is not the events of a clip; names the line.
    """

    def __init__(self, path: Path, *, until_s: float) -> None:
        self._path, self._until_s = path, until_s
        self._places: dict[str, tuple[int, int]] = {}
        try:
            with path.open("rb") as file:
                for number, line in enumerate(iter(file.readline, b""), start=1):
                    if line.strip():
                        description = self._parse(number, line)
                        self._places[description["id"]] = number, file.tell() - len(line)
            self.digest = file_digest(path)
        except OSError as exc:
            raise DataError(f"{path}: cannot be read ({exc.strerror}).") from exc
        self._description = lru_cache(maxsize=4)(self._read)  # takes of one clip are judged side by side

    @property
    def name(self) -> str:
        """The file and its digest."""
        return f"{self._path.name} (sha256:{self.digest[:12]})"

    def __call__(self, clip: Clip, window: Window | None) -> ClipEvents | None:
        """Events of one clip, seen through a window or whole; None where they are not known.

        Raises:
            DataError: If the line cannot be understood.
        """
        if clip.id not in self._places:
            return None
        description = self._description(clip.id)
        if window is not None and "sources" not in description:
            return None
        try:
            return parse_events(description if window is None else seen_through(description, window))
        except (ValueError, LookupError, TypeError, AttributeError) as exc:
            raise self._fault(self._places[clip.id][0], exc) from exc

    def _read(self, name: str) -> Record:
        number, start = self._places[name]
        try:
            with self._path.open("rb") as file:
                file.seek(start)
                return self._parse(number, file.readline())
        except OSError as exc:
            raise DataError(f"{self._path}: cannot be read ({exc.strerror}).") from exc

    def _parse(self, number: int, line: bytes) -> Record:
        try:
            found: Record = json.loads(line)
            heard = [event for event in found["events"] if float(event["time_s"]) < self._until_s]
            return found | {"id": str(found["id"]), "events": heard}
        except (ValueError, LookupError, TypeError) as exc:
            raise self._fault(number, exc) from exc

    def _fault(self, number: int, exc: Exception) -> DataError:
        return DataError(
            f"{self._path}, line {number}: not the events of a clip ({type(exc).__name__}: {exc}). "
            "Export the clips again with `cinefoley stage export`, or move this file away."
        )
