"""Frame rate of a model's video, with the rule that chooses a source frame for each of its frames."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Self

__all__ = ["FrameChoice", "FrameRate"]

FrameChoice = Literal["before_middle", "nearest"]
"""Which source frame is frame n of a video sampled at ``fps``.

``before_middle``: the last one that begins before ``(n + 1/2) / fps``, as FFmpeg's ``fps`` filter and so
Diff-Foley choose. The higher the source's own rate, the later is what it shows, by up to half a frame.
``nearest``: the one that begins nearest to ``n / fps``, of two the one with the even number; what it shows
is on average as late at any rate of the source.
"""


@dataclass(frozen=True, slots=True)
class FrameRate:
    """Frames per second, and the rule of their choice; accepted wherever a video is sampled at a rate."""

    fps: Fraction
    """Frames per second."""
    choice: FrameChoice = "before_middle"
    """Which source frame is shown."""

    @classmethod
    def of(cls, fps: float, choice: FrameChoice = "before_middle") -> Self:
        """From a float, read as the short fraction that its writer meant."""
        return cls(Fraction(fps).limit_denominator(1_000_000), choice)
