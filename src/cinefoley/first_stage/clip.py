"""What the stage returns: pictures, sound, and everything that is known about both."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["StageClip", "StageEvent", "StageSource"]


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageClip:
    """One rendered clip."""

    frames: NDArray[np.uint8]
    """Pictures, ``(T, H, W, 3)`` RGB."""
    fps: float
    """Frames per second; frame ``n`` shows the instant ``n / fps``."""
    waveform: NDArray[np.float32]
    """Sound, ``(N,)`` in [-1, 1]."""
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

    def describe(self) -> dict[str, Any]:
        """Everything but pictures and samples, ready for JSON."""
        return {
            "seed": self.seed,
            "split": self.split,
            "duration_s": self.duration_s,
            "kinds": [source.kind for source in self.sources],
            "events": [
                {
                    "time_s": round(event.time_s, 6),
                    "kind": event.kind,
                    "strength": round(event.strength, 4),
                    "is_onset_like": event.is_onset_like,
                    "source": event.source,
                    "is_visible": event.is_visible,
                }
                for event in self.events
            ],
        }
