"""What happens in a clip, wherever it is written down."""

from cinefoley.data.sources.clip_source import Clip
from cinefoley.data.sources.folder import FilmClip
from cinefoley.data.test_sets.test_set import SetLayout
from cinefoley.data.test_sets.view_events import view_events
from cinefoley.evaluation.folder.synchrony import ClipEvents, parse_events
from cinefoley.evaluation.stage.events import stage_events
from cinefoley.variations.window import Window

__all__ = ["known_events"]


def known_events(clip: Clip, window: Window | None) -> ClipEvents | None:
    """Events of a clip of the stage, or of a film of an export or of a test set that was made of one.

    They are read from ``SPLIT.events.jsonl`` beside the film, or from the test set's ``events.jsonl``.

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
    folder = clip.path.absolute().parent
    of_set = SetLayout(folder.parent)
    is_of_set = folder == of_set.films and of_set.settings.is_file() and of_set.events.is_file()
    beside = sorted(folder.glob("*.events.jsonl"))
    for path in [*beside, *([of_set.events] if is_of_set else [])]:
        for found in view_events(path, [record]):
            return parse_events(found)
    return None
