"""Ranges of the techniques of film language, in one place, each with its source in film practice.

The terms are those of Bordwell and Thompson, *Film Art* (chapters on the shot and on editing), and of Brown,
*Cinematography: Theory and Practice* (chapters on camera movement, lenses and lighting). Where a book gives a
number, it is named below; the other ranges are ours. No range was changed after a student had been trained.
"""

from typing import Literal

__all__ = [
    "ASPECTS",
    "CUT_CLOSE",
    "CUT_TIME",
    "CUT_WIDE",
    "EXPOSURE_STOPS",
    "FLASH_DECAY_S",
    "FLASH_STOPS",
    "FOCUS_BLUR",
    "FOCUS_TIME_S",
    "HANDHELD_AMPLITUDE",
    "HANDHELD_FREQUENCY_HZ",
    "HANDHELD_SCALE",
    "KELVIN",
    "LIGHT_TIME_S",
    "NIGHT_STOPS",
    "OCCLUDER_TIME_S",
    "OCCLUDER_WIDTH",
    "PAN_SCALE",
    "PAN_TRAVEL",
    "ZOOM_SCALE",
    "LightKind",
    "Range",
    "ZoomDirection",
    "check_range",
]

Range = tuple[float, float]
"""Smallest and largest value that is drawn."""

ZoomDirection = Literal["in", "out"]
"""Push in: from the whole frame to a part of it; or pull out: the reverse."""

LightKind = Literal["exposure", "temperature", "flash", "day_for_night"]
"""What happens to the light: see :class:`~cinefoley.variations.light_change.LightChange`."""

ZOOM_SCALE: Range = (0.4, 0.7)
"""Part of each side that the narrow end of a zoom shows. 0.7 is one shot size closer, from a medium shot to a
medium close-up; 0.4 is the largest close-up of the paper."""

HANDHELD_SCALE: Range = (0.85, 0.95)
"""Part of each side that a hand-held camera shows; the rest is the room in which it shakes."""
HANDHELD_AMPLITUDE: Range = (0.005, 0.02)
"""Standard deviation of the shake, as a fraction of the frame's shorter side: a steady hand to a run."""
HANDHELD_FREQUENCY_HZ: Range = (0.3, 10.0)
"""Band of the shake. Amplitudes fall with 1/f: sway of the body below 2 Hz, tremor of the hand up to 10 Hz,
as in the measured camera shake of the CIPA standard DC-011 for image stabilisers."""

PAN_SCALE: Range = (0.4, 0.6)
"""Part of each side that a pan or a tilt shows: the paper's range."""
PAN_TRAVEL: Range = (0.4, 0.9)
"""Part of the free margin that a pan or a tilt crosses. It rests before and after, and starts and stops
smoothly: a move begins and ends on a composed frame (Brown)."""

CUT_TIME: Range = (0.25, 0.75)
"""Time of the cut, as a fraction of the clip."""
CUT_WIDE: Range = (0.8, 1.0)
"""Part of each side that the wider of the two framings shows."""
CUT_CLOSE: Range = (0.4, 0.6)
"""Part of each side that the closer framing shows: by 25 % or more smaller than the wide one, since a smaller
change reads as a jump cut."""

FOCUS_BLUR: Range = (0.01, 0.04)
"""Standard deviation of the defocus, as a fraction of the shorter side: softness to unrecognisable."""
FOCUS_TIME_S: Range = (0.5, 2.0)
"""Seconds that an assistant takes to pull focus."""

EXPOSURE_STOPS: Range = (1.0, 2.0)
"""Change of exposure in stops (factors of two), up or down."""
KELVIN: Range = (2800.0, 10000.0)
"""Colour temperature that light of 5,600 K changes to: tungsten to open shade."""
FLASH_STOPS: Range = (2.0, 4.0)
"""How far a flash or lightning overexposes."""
FLASH_DECAY_S: Range = (0.1, 0.5)
"""Seconds in which a flash falls to 1/e."""
NIGHT_STOPS: Range = (2.0, 3.0)
"""Underexposure of day for night, with blue light and little colour (Brown: two stops and more)."""
LIGHT_TIME_S: Range = (0.2, 2.0)
"""Seconds that a change of exposure or colour temperature takes: a switch to a cloud."""

OCCLUDER_WIDTH: Range = (0.15, 0.4)
"""Width of what passes in front, as a fraction of the frame."""
OCCLUDER_TIME_S: Range = (1.0, 3.0)
"""Seconds that it takes from one border to the other: a person who walks past close to the lens."""

ASPECTS: tuple[float, ...] = (2.39, 2.0, 1.85, 4 / 3, 1.0, 9 / 16)
"""Width over height of the visible part: scope and flat of the DCI specification, 2:1, 4:3, square, phone."""


def check_range(name: str, values: Range, *, low: float = 0.0, high: float = float("inf")) -> None:
    """Check that a range is ordered and inside its bounds.

    Args:
        name: What messages call it.
        values: Smallest and largest value.
        low: Smallest allowed.
        high: Largest allowed.

    Raises:
        ValueError: If it is crossed or outside.
    """
    smallest, largest = values
    if not low <= smallest <= largest <= high or largest == float("inf"):
        bounds = f"[{low:g}, {high:g}]" if high < float("inf") else f"{low:g} or more"
        raise ValueError(f"{name} must be ordered and inside {bounds}, got ({smallest:g}, {largest:g})")
