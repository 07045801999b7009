"""Known events of any clip: of the stage, of a stage export, or of a test set built from one."""

from cinefoley.data.events.clip_events import ClipEvents
from cinefoley.data.events.event_file import EventFile
from cinefoley.data.events.stage_events import stage_events
from cinefoley.data.sources.clip_source import Clip
from cinefoley.data.sources.folder import FileClip
from cinefoley.data.test_sets.test_set import SetLayout
from cinefoley.variations.window import Window

__all__ = ["known_events"]


def known_events(clip: Clip, window: Window | None) -> ClipEvents | None:
    """Events of a clip of the stage, of an export, or of a test set; None where they are not known.

    They are read from ``SPLIT.events.jsonl`` beside the video, or from the test set's ``events.jsonl``.

    Args:
        clip: Any clip.
        window: The window that shows it; the whole frame if None.

    Raises:
        DataError: If such a file is there and cannot be read.
    """
    if not isinstance(clip, FileClip) or clip.path is None:
        return stage_events(clip, window)
    seen = window or Window(kind="none", size=clip.frame_size())
    folder = clip.path.absolute().parent
    of_set = SetLayout(folder.parent)
    is_of_set = folder == of_set.videos and of_set.settings.is_file() and of_set.events.is_file()
    for path in [*sorted(folder.glob("*.events.jsonl")), *([of_set.events] if is_of_set else [])]:
        events = EventFile(path)(clip, seen)
        if events is not None:
            return events
    return None
