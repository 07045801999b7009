"""Times, rates and sections of a video as exact fractions of a second."""

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Self

from cinefoley.config.frame_rate import FrameRate

__all__ = ["Seconds", "Section", "as_fraction", "as_frame_rate", "as_rate"]

Seconds = float | int | Fraction
"""A time as users give it."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a video."""

    start: Fraction
    """Seconds from the first frame."""
    duration: Fraction | None
    """Seconds; None reaches to the end."""

    @classmethod
    def of(cls, start: Seconds, duration: Seconds | None) -> Self:
        """Check and convert what a user asked for.

        Raises:
            ValueError: If ``start`` is negative or ``duration`` is not positive.
        """
        section = cls(as_fraction(start), None if duration is None else as_fraction(duration))
        if section.start < 0:
            raise ValueError(f"start must not be negative, got {start}")
        if section.duration is not None and section.duration <= 0:
            raise ValueError(f"duration must be positive, got {duration}")
        return section

    @property
    def end(self) -> Fraction | None:
        """Seconds from the first frame; None where it is the video's end."""
        return None if self.duration is None else self.start + self.duration


def as_fraction(value: Seconds) -> Fraction:
    """Read a float as the short fraction its writer meant: 0.1 is 1/10, 29.97 is 2997/100.

    Args:
        value: A finite number; fractions and integers are kept as they are.

    Returns:
        The nearest fraction with a denominator of at most a million.

    Raises:
        ValueError: If ``value`` is infinite or not a number.
    """
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"a time or rate must be finite, got {value}")
        return Fraction(value).limit_denominator(1_000_000)
    return Fraction(value)


def as_rate(fps: Seconds) -> Fraction:
    """Convert a frame rate.

    Raises:
        ValueError: If it is not positive.
    """
    rate = as_fraction(fps)
    if rate <= 0:
        raise ValueError(f"fps must be positive, got {fps}")
    return rate


def as_frame_rate(fps: Seconds | FrameRate) -> FrameRate:
    """Convert a frame rate; a plain number chooses frames as FFmpeg does.

    Raises:
        ValueError: If it is not positive.
    """
    rate = fps if isinstance(fps, FrameRate) else FrameRate(as_fraction(fps))
    if rate.fps <= 0:
        raise ValueError(f"fps must be positive, got {rate.fps}")
    return rate
