"""What happens in the stage's clips, and what of it a window shows."""

from functools import lru_cache
from typing import Any

import numpy as np

from cinefoley.data.clips import Clip
from cinefoley.data.stage_source import StageClip
from cinefoley.evaluation.synchrony_files import ClipEvents, parse_events
from cinefoley.stage import draw_take
from cinefoley.stage.clip import describe_clip, describe_view
from cinefoley.stage.render import frame_times
from cinefoley.variations.window import Window

__all__ = ["stage_events"]

_FPS = 25.0
_RATE = 16000


def stage_events(clip: Clip, window: Window | None) -> ClipEvents | None:
    """The events of a clip of the stage, as ``cinefoley vary`` writes them for a window of an export.

    Args:
        clip: Any clip; only those of the stage are known.
        window: What shows it; the whole picture if None.
    """
    if not isinstance(clip, StageClip):
        return None
    description = _describe(clip)
    if window is not None:
        height, width = clip.picture_size()
        count = len(description["sources"][0]["target_boxes"])
        boxes = window.boxes(count, (height, width)).numpy() / np.array([width, height, width, height])
        description = describe_view(description, boxes)
    return parse_events(description)


@lru_cache(maxsize=4)  # takes of one clip are judged one after the other
def _describe(clip: StageClip) -> dict[str, Any]:
    take = draw_take(clip.seed, split=clip.split, duration_s=clip.duration_s)
    size = clip.picture_size()
    description = describe_clip(
        take.events(size=size),
        take.sources(frame_times(clip.duration_s, _FPS), size=size),
        seed=clip.seed,
        split=clip.split,
        duration_s=clip.duration_s,
        fps=_FPS,
        waveform=take.waveform(_RATE),
        sample_rate=_RATE,
        has_boxes=True,
    )
    return description | {"fps": _FPS}
