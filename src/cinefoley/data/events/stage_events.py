"""Known events and target boxes of stage clips, whole or as a window shows them."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinefoley.data.events.clip_events import ClipEvents, parse_events
from cinefoley.data.events.event_file import record_in_window
from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_source import Clip
from cinefoley.data.sources.stage import StageClip
from cinefoley.stage import draw_take
from cinefoley.stage.clip import describe_clip
from cinefoley.stage.render import frame_times
from cinefoley.variations.window import Window

__all__ = ["stage_boxes", "stage_events", "stage_record"]

_FPS = 25.0
_RATE = 16000


def stage_events(clip: Clip, window: Window | None) -> ClipEvents | None:
    """Events of a stage clip, as ``cinefoley vary`` writes them for a window of an export.

    Args:
        clip: Any clip; None is returned for one that is not of the stage.
        window: The window that shows it; the whole frame if None.
    """
    return parse_events(stage_record(clip, window)) if isinstance(clip, StageClip) else None


def stage_boxes(
    clip: Clip, window: Window | None, *, times_s: NDArray[np.floating[Any]]
) -> NDArray[np.float64] | None:
    """Boxes of a stage clip's targets, as a window shows them; None for any other clip.

    Args:
        clip: Any clip.
        window: The window that shows it; the whole frame if None.
        times_s: ``(T,)``, times in seconds; the box is that of the frame on screen at each.

    Returns:
        ``(K, T, 4)`` of K sources, ``(x0, y0, x1, y1)`` as fractions of the window; off-screen targets lie
        outside [0, 1].
    """
    if not isinstance(clip, StageClip):
        return None
    boxes = np.array([source["target_boxes"] for source in stage_record(clip, window)["sources"]], np.float64)
    frames = np.floor(np.asarray(times_s) * _FPS).astype(int).clip(0, boxes.shape[1] - 1)
    return boxes[:, frames]


def stage_record(clip: StageClip, window: Window | None) -> Record:
    """Record of a stage clip as in an event file, whole or as a window shows it."""
    record = _whole_record(clip)
    return record if window is None else record_in_window(record, window)


@lru_cache(maxsize=4)  # takes of one clip are judged one after the other
def _whole_record(clip: StageClip) -> Record:
    take = draw_take(clip.seed, split=clip.split, duration_s=clip.duration_s, version=clip.version)
    size = clip.frame_size()
    description = describe_clip(
        take.events(size=size),
        take.sources(frame_times(clip.duration_s, _FPS), size=size),
        seed=clip.seed,
        split=clip.split,
        duration_s=clip.duration_s,
        fps=_FPS,
        waveform=take.event_waveform(_RATE),
        sample_rate=_RATE,
        has_boxes=True,
    )
    return description | {"fps": _FPS, "size": list(size)}
