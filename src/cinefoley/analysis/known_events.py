"""What happens in a clip, wherever it is written down."""

from cinefoley.data.clips import Clip
from cinefoley.data.folder_source import FilmClip
from cinefoley.data.view_events import view_events
from cinefoley.evaluation.stage_events import stage_events
from cinefoley.evaluation.synchrony_files import ClipEvents, parse_events
from cinefoley.variations.window import Window

__all__ = ["known_events"]


def known_events(clip: Clip, window: Window | None) -> ClipEvents | None:
    """Events of a clip of the stage, or of a film of an export, whose ``SPLIT.events.jsonl`` lies beside it.

    Args:
        clip: Any clip.
        window: What shows it; the whole picture if None.

    Raises:
        DataError: If such a file lies there and cannot be read.
    """
    if not isinstance(clip, FilmClip) or clip.path is None:
        return stage_events(clip, window)
    seen = window or Window(kind="none", size=clip.picture_size())
    record = {"id": clip.id, "source": clip.path.name, "window": seen.to_dict()}
    for path in sorted(clip.path.parent.glob("*.events.jsonl")):
        for found in view_events(path, [record]):
            return parse_events(found)
    return None
