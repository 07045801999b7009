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

__all__ = [
    "CAMERA",
    "CAMERAS",
    "DELIVERY",
    "MICROPHONE",
    "OPTICS",
    "CameraKind",
    "CameraTable",
    "DeliveryTable",
    "MicrophoneTable",
    "OpticsTable",
    "Range",
]

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
    composed: Range = Range(0.12, 0.88)
    """Where the subject stands otherwise: at its place in the scene's frame, moved into this range."""
    rest: Range = Range(0.15, 0.85)
    """Where the subject stands in the frame at the ends of a pan or tilt that keeps it in view."""
    least_travel: float = 0.30
    """A pan or tilt moves the subject by at least this much."""
    leaves: float = 0.50
    """Probability that a pan or tilt goes where the subject is out of the frame."""
    beyond: Range = Range(0.20, 0.55)
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
    sway: Range = Range(0.02, 0.08, is_log=True)
    """Root mean square of the slow sway of a handheld camera, in the frame's shorter sides."""
    sway_hz: tuple[float, float] = (0.08, 0.45)
    """Band of the slow sway."""
    roll_deg: Range = Range(0.2, 1.4)
    """Root mean square of a handheld camera's roll, in degrees."""


CAMERA = CameraTable()
"""The camera's ranges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticsTable:
    """Probabilities and ranges of surfaces, lens and shutter. Lengths are in the frame's shorter sides."""

    texture: Range = Range(0.03, 0.12)
    """Contrast of the textures of wall and ground: standard deviation over mean."""
    pattern: float = 0.6
    """Probability of a pattern on the wall, the ground or both: bricks, boards or tiles."""
    pattern_size: Range = Range(0.06, 0.22, is_log=True)
    """Height of a brick, width of a board, side of a tile."""
    pattern_depth: Range = Range(0.06, 0.30)
    """How much darker the joints are."""
    clutter: float = 0.7
    """Probability of things that lie about."""
    clutter_count: Range = Range(3, 14)
    """How many there are."""
    shading: float = 0.8
    """Probability of texture and shade on the actors."""
    shading_contrast: Range = Range(0.04, 0.13)
    """Its standard deviation over its mean."""
    shallow: float = 0.35
    """Probability of a shallow depth of field: the background is out of focus."""
    defocus: Range = Range(0.004, 0.018, is_log=True)
    """Standard deviation of its blur."""
    shutter: float = 0.5
    """Probability of motion blur."""
    shutter_deg: Range = Range(90, 300)
    """Shutter angle; 360 is open for the whole frame."""
    vignette: float = 0.35
    """Probability of corners that are darker than the middle."""
    vignette_depth: Range = Range(0.12, 0.50)
    """How much darker the corners are."""


OPTICS = OpticsTable()
"""Surfaces, lens and shutter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTable:
    """Probabilities and ranges of sensor, grade and file."""

    grain: float = 0.5
    """Probability of grain or sensor noise."""
    grain_level: Range = Range(1.5, 8.0, is_log=True)
    """Its standard deviation in grey levels."""
    exposure: float = 0.4
    """Probability that the exposure drifts."""
    exposure_stops: Range = Range(0.1, 0.35)
    """By how much, in stops."""
    white_balance: float = 0.3
    """Probability that the white balance drifts."""
    white_balance_share: Range = Range(0.02, 0.10)
    """By how much red and blue change."""
    drift_s: Range = Range(4.0, 16.0, is_log=True)
    """Period of both drifts."""
    grade: float = 0.6
    """Probability of a colour grade."""
    contrast: Range = Range(0.80, 1.25)
    """Its slope at mid grey."""
    gamma: Range = Range(0.80, 1.15, is_log=True)
    """Its exponent."""
    saturation: Range = Range(0.35, 1.25)
    """Its saturation."""
    monochrome: float = 0.06
    """Probability that a grade is black and white."""
    tone: Range = Range(0.0, 14.0)
    """Grey levels by which shadows and highlights are toned, in opposite colours."""
    compression: float = 0.6
    """Probability of a low bit rate."""
    quality: Range = Range(15, 55)
    """JPEG quality that stands for it, with halved colour resolution."""
    repeats: float = 0.6
    """Probability that the source has a frame rate of its own: its frames are repeated or dropped."""
    rates: tuple[float, ...] = (12.0, 15.0, 18.0, 20.0, 23.976, 24.0, 25.0, 29.97, 30.0)
    """Those frame rates."""
    bars: float = 0.12
    """Probability of black bars."""
    bars_share: Range = Range(0.10, 0.26)
    """Share of the frame's longer crop that they take: of 16:9, 2.0:1 leaves 11 % and 2.39:1 26 %."""
    pillars: float = 0.3
    """Probability that bars stand at the sides and not above and below."""


DELIVERY = DeliveryTable()
"""Sensor, grade and file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrophoneTable:
    """Probabilities and ranges of the recording."""

    distance: Range = Range(0.5, 3.0, is_log=True)
    """Distance of the microphone, 1 where the camera stands: the direct sound falls, the room does not."""
    reverb_s: Range = Range(0.15, 1.6, is_log=True)
    """Seconds in which the room's reverberation falls by 60 dB."""
    tone: float = 0.5
    """Probability of a microphone with a narrow band."""
    low_cut_hz: Range = Range(50, 220, is_log=True)
    """Where it begins."""
    high_cut_hz: Range = Range(3500, 7600, is_log=True)
    """Where it ends."""
    ambience: float = 0.85
    """Probability of ambience: room tone, traffic, or wind in leaves, as the place has it."""
    ambience_db: Range = Range(-62, -36)
    """Its level in dB below full scale, root mean square; it is mixed below the events."""
    hum: float = 0.25
    """Probability of mains hum in rooms."""


MICROPHONE = MicrophoneTable()
"""The recording."""
