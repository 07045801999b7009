"""Settings of a shot in the studio: gain, and nudge by frames."""

from dataclasses import dataclass

from cinefoley.errors import CinefoleyError

__all__ = ["ShotSettings"]

_MOST_GAIN_DB = 24.0
_MOST_NUDGE = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotSettings:
    """How the accepted take of a shot is used.

    Raises:
        CinefoleyError: If a number is out of range.
    """

    gain_db: float = 0.0
    """Gain in dB, -60 to 24."""
    nudge_frames: int = 0
    """Frames by which the sound is later; negative: earlier."""

    def __post_init__(self) -> None:
        if not -60 <= self.gain_db <= _MOST_GAIN_DB:
            raise CinefoleyError(
                f"The gain of a shot must be -60 to {_MOST_GAIN_DB:g} dB, got {self.gain_db:g}."
            )
        if abs(self.nudge_frames) > _MOST_NUDGE:
            raise CinefoleyError(
                f"A shot's sound moves by at most {_MOST_NUDGE} frames, got {self.nudge_frames}."
            )

    @property
    def factor(self) -> float:
        """What samples are multiplied by."""
        return float(10 ** (self.gain_db / 20))
