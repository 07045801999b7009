"""What happens in the stage's clips, and what of it a window shows."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinefoley.data.sources.clip_source import Clip
from cinefoley.data.sources.stage import StageClip
from cinefoley.evaluation.folder.synchrony import ClipEvents, parse_events
from cinefoley.stage import draw_take
from cinefoley.stage.clip import describe_clip, describe_view
from cinefoley.stage.render import frame_times
from cinefoley.variations.window import Window

__all__ = ["stage_boxes", "stage_events"]

_FPS = 25.0
_RATE = 16000


def stage_events(clip: Clip, window: Window | None) -> ClipEvents | None:
    """The events of a clip of the stage, as ``cinefoley vary`` writes them for a window of an export.

    Args:
        clip: Any clip; only those of the stage are known.
        window: What shows it; the whole picture if None.
    """
    return parse_events(_view(clip, window)) if isinstance(clip, StageClip) else None


def stage_boxes(
    clip: Clip, window: Window | None, *, times_s: NDArray[np.floating[Any]]
) -> NDArray[np.float64] | None:
    """Where the targets of a clip of the stage are, as a window shows them; None for any other clip.

    Args:
        clip: Any clip.
        window: What shows it; the whole picture if None.
        times_s: ``(T,)``, moments in seconds; the frame on screen at each is looked at.

    Returns:
        ``(K, T, 4)`` of K sources, ``(x0, y0, x1, y1)`` as fractions of what is shown; targets out of the
        picture lie outside [0, 1].
    """
    if not isinstance(clip, StageClip):
        return None
    boxes = np.array([source["target_boxes"] for source in _view(clip, window)["sources"]], dtype=np.float64)
    rows = np.floor(np.asarray(times_s) * _FPS).astype(int).clip(0, boxes.shape[1] - 1)
    return boxes[:, rows]


def _view(clip: StageClip, window: Window | None) -> dict[str, Any]:
    description = _describe(clip)
    if window is None:
        return description
    height, width = clip.picture_size()
    count = len(description["sources"][0]["target_boxes"])
    boxes = window.boxes(count, (height, width)).numpy() / np.array([width, height, width, height])
    return describe_view(description, boxes)


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
