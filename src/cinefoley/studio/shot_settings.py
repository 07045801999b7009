"""Settings of a shot in the studio: gain, nudge by frames, and what it should sound like."""

from dataclasses import dataclass
from pathlib import Path

from cinefoley.errors import CinefoleyError

__all__ = ["ShotSettings", "ShotSound"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotSound:
    """What a shot, or the whole video, should sound like; the default is as the video says."""

    kind: str | None = None
    """Kind of sound, of those that the model names."""
    like: Path | None = None
    """Example sound."""
    unlike: Path | None = None
    """Sound to avoid."""

    def __str__(self) -> str:
        """For people: such as ``hammer, unlike wind.wav``."""
        sounds = {"like": self.like, "unlike": self.unlike}
        named = [f"{how} {path.name}" for how, path in sounds.items() if path is not None]
        return ", ".join([*filter(None, [self.kind]), *named]) or "as seen"
