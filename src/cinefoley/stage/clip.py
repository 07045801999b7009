"""What the stage returns: pictures, sound, and everything that is known about both."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "StageClip",
    "StageEvent",
    "StageSource",
    "boxes_in_windows",
    "describe_clip",
    "visible_share",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEvent:
    """One sounding action."""

    time_s: float
    """When the sound starts, in seconds from the clip's start."""
    kind: str
    """The action, e.g. ``"drum"``."""
    strength: float
    """How hard it is struck, in (0, 1]; louder and brighter with strength."""
    is_onset_like: bool
    """Whether the sound starts sharply enough for its onset to be judged within ±100 ms."""
    source: int
    """Index into :attr:`StageClip.sources`."""
    is_visible: bool
    """Whether any of the contact's box lies inside the frame at ``time_s``."""
    duration_s: float = 0.0
    """How long the action goes on, in seconds; 0 for a stroke that rings by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSource:
    """One thing on the stage that sounds, with its place in every frame.

    Boxes are ``(T, 4)`` float32, ``(x0, y0, x1, y1)`` as fractions of the frame's width and height; they may
    reach outside [0, 1] where the frame cuts them off.
    """

    kind: str
    """The action."""
    family: str
    """One of the stage's five families."""
    target_boxes: NDArray[np.float32]
    """Where the sounding thing is."""
    contact_boxes: NDArray[np.float32]
    """Where the sound is made."""

    @property
    def is_visible(self) -> NDArray[np.bool_]:
        """``(T,)``, whether any of the contact's box lies inside the frame."""
        return visible_share(self.contact_boxes) > 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageClip:
    """One rendered clip."""

    frames: NDArray[np.uint8]
    """Pictures, ``(T, H, W, 3)`` RGB."""
    fps: float
    """Frames per second; frame ``n`` shows the instant ``n / fps``."""
    waveform: NDArray[np.float32]
    """Sound, ``(N,)`` in [-1, 1], a whole number of 16-bit steps; exactly 0 where nothing sounds."""
    sample_rate: int
    """Samples per second of :attr:`waveform`."""
    events: tuple[StageEvent, ...]
    """Every event, in order of time."""
    sources: tuple[StageSource, ...]
    """Everything that sounds."""
    seed: int
    """The seed it was rendered from."""
    split: str
    """The split the seed belongs to."""

    @property
    def duration_s(self) -> float:
        """Length of picture and sound, in seconds."""
        return len(self.waveform) / self.sample_rate

    def describe(self, *, has_boxes: bool = False) -> dict[str, Any]:
        """Everything but pictures and samples, ready for JSON; on demand with every frame's boxes."""
        return describe_clip(
            self.events,
            self.sources,
            seed=self.seed,
            split=self.split,
            duration_s=self.duration_s,
            has_boxes=has_boxes,
        )


def describe_clip(
    events: Sequence[StageEvent],
    sources: Sequence[StageSource],
    *,
    seed: int,
    split: str,
    duration_s: float,
    has_boxes: bool = False,
) -> dict[str, Any]:
    """What is known about a clip, ready for JSON; on demand with every frame's boxes."""
    description: dict[str, Any] = {
        "seed": seed,
        "split": split,
        "duration_s": duration_s,
        "kinds": [source.kind for source in sources],
        "events": [
            asdict(event)
            | {
                "time_s": round(event.time_s, 6),
                "strength": round(event.strength, 4),
                "duration_s": round(event.duration_s, 6),
            }
            for event in events
        ],
    }
    if has_boxes:
        description["sources"] = [
            {
                "kind": source.kind,
                "family": source.family,
                "target_boxes": np.round(source.target_boxes.astype(float), 4).tolist(),
                "contact_boxes": np.round(source.contact_boxes.astype(float), 4).tolist(),
                "is_visible": source.is_visible.tolist(),
            }
            for source in sources
        ]
    return description


def boxes_in_windows(boxes: NDArray[np.float32], windows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Boxes as fractions of crop windows.

    Args:
        boxes: ``(T, 4)``, fractions of the frame.
        windows: ``(T, 4)`` or ``(4,)``, ``(x0, y0, x1, y1)`` as fractions of the frame.

    Returns:
        ``(T, 4)``; outside [0, 1] where the window does not show them.
    """
    corner, size = windows[..., :2], windows[..., 2:] - windows[..., :2]
    low, high = (boxes[:, :2] - corner) / size, (boxes[:, 2:] - corner) / size
    return np.concatenate([low, high], axis=1).astype(np.float32)


def visible_share(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share ``(T,)`` of every box's area that lies inside the frame ``[0, 1]²``."""
    inside = np.clip(boxes.astype(float), 0, 1)
    area = (inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1])
    whole = (boxes[:, 2] - boxes[:, 0]).astype(float) * (boxes[:, 3] - boxes[:, 1])
    return np.asarray(area / np.maximum(whole, 1e-12))
