"""Distribution of the filmed stage: every probability and range of camera, optics, delivery and sound.

Only the tables below hold these numbers; ``docs/stage.md`` prints them with a word on film practice. They
were written before anything was trained on the filmed stage, and they do not use the test variations
(:mod:`cinefoley.variations`): no camera here moves at constant speed from border to border.
"""

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

__all__ = ["CAMERA", "CAMERAS", "CameraKind", "CameraTable", "Range"]

CameraKind = Literal[
    "locked_off", "handheld", "pan", "tilt", "push_in", "pull_out", "tracking", "reframing_cut"
]
"""How the camera moves during a clip."""


@dataclass(frozen=True, slots=True)
class Range:
    """Interval from which a number is drawn."""

    low: float
    high: float
    is_log: bool = False
    """Whether the logarithm is uniform, and not the number."""

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a number."""
        if self.is_log:
            return float(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))
        return float(rng.uniform(self.low, self.high))


CAMERAS: MappingProxyType[CameraKind, float] = MappingProxyType(
    {
        "locked_off": 0.18,
        "handheld": 0.24,
        "pan": 0.18,
        "tilt": 0.09,
        "push_in": 0.08,
        "pull_out": 0.06,
        "tracking": 0.10,
        "reframing_cut": 0.07,
    }
)
"""Probability of each camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTable:
    """Ranges of the camera. Places and travels are fractions of the delivered frame's sides."""

    frame: Range = Range(0.72, 1.0)
    """Side of what the camera shows, as a fraction of the scene's own frame; not for locked-off cameras."""
    rest: Range = Range(0.15, 0.85)
    """Where the subject stands in the frame at the ends of a pan or tilt that keeps it in view."""
    least_travel: float = 0.30
    """A pan or tilt moves the subject by at least this much."""
    leaves: float = 0.40
    """Probability that a pan or tilt goes where the subject is out of the frame."""
    beyond: Range = Range(0.15, 0.45)
    """How far the subject is then beyond the frame's border."""
    returns: float = 0.7
    """Probability that such a camera goes away and comes back."""
    arrives: float = 0.2
    """Probability that it comes from elsewhere to the subject; otherwise it goes away for good."""
    back: float = 0.35
    """Probability that a pan or tilt that keeps the subject in view turns back."""
    move_s: Range = Range(1.2, 6.0, is_log=True)
    """Seconds of one movement."""
    hold_s: Range = Range(0.4, 1.6)
    """Seconds for which the camera rests between two movements."""
    easing: Range = Range(0.15, 0.5)
    """Share of a movement in which it gathers speed, and again in which it loses it."""
    zoom: Range = Range(0.50, 0.78, is_log=True)
    """Ratio of the frame's sides after and before pushing in, or before and after pulling out."""
    recentred: Range = Range(0.35, 0.65)
    """Where the subject stands in the nearer frame of a push in, pull out or reframing cut."""
    track: Range = Range(0.7, 2.2)
    """How far the background slides behind the subject of a tracking shot, in the frame's shorter sides."""
    track_error: Range = Range(0.02, 0.07)
    """Root mean square of how far the subject drifts in the frame of a tracking shot."""
    cut_at: Range = Range(0.25, 0.75)
    """When a reframing cut comes, as a share of the clip."""
    cut_back: float = 0.3
    """Probability of a second cut, back to the first frame."""
    on_shoulder: float = 0.45
    """Probability that a moving camera is held in the hands as well."""
    shake: Range = Range(0.003, 0.016, is_log=True)
    """Root mean square of hand shake, in the frame's shorter sides."""
    shake_hz: tuple[float, float] = (0.5, 8.0)
    """Band of hand shake; its amplitude falls as the frequency to the power -0.8."""
    sway: Range = Range(0.02, 0.09, is_log=True)
    """Root mean square of the slow sway of a handheld camera, in the frame's shorter sides."""
    sway_hz: tuple[float, float] = (0.08, 0.45)
    """Band of the slow sway."""
    roll_deg: Range = Range(0.2, 1.4)
    """Root mean square of a handheld camera's roll, in degrees."""


CAMERA = CameraTable()
"""The camera's ranges."""
