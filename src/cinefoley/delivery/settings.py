"""Settings of a delivery: handles, names, sample format, levels and mix."""

import math
from dataclasses import dataclass

from cinefoley.delivery.levels import CEILING_DB
from cinefoley.media.audio.writer import Subtype

__all__ = ["DeliverySettings"]

_LONGEST_HANDLE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """What a delivery contains."""

    handle_s: float = 0.0
    """Sound before and after each shot, in seconds, as far as the video reaches."""
    name_pattern: str = "{video}_{shot:03d}_T{take}"
    """Names of the stems: a format string of :data:`~cinefoley.delivery.stems.NAME_FIELDS`."""
    sample_rate: int = 48000
    """Samples per second of every WAV."""
    subtype: Subtype = "PCM_24"
    """Sample format of every WAV."""
    has_two_pop: bool = False
    """Whether a 2-pop is written, two seconds before the first frame."""
    loudness_lufs: float | None = None
    """Integrated loudness of the track; None keeps the level of the takes."""
    ceiling_db: float = CEILING_DB
    """Highest true peak, in dB of full scale."""
    mix_gain_db: float | None = None
    """Gain of the video's own sound in a mix; None writes no mix."""
    duck_db: float = 0.0
    """Reduction of the video's own sound while the Foley sounds, in dB."""

    def __post_init__(self) -> None:
        if not 0 <= self.handle_s <= _LONGEST_HANDLE_S:
            raise ValueError(f"handle_s must be 0 to {_LONGEST_HANDLE_S:g}, got {self.handle_s}")
        if not 8000 <= self.sample_rate <= 192_000:
            raise ValueError(f"sample_rate must be 8000 to 192000, got {self.sample_rate}")
        if self.loudness_lufs is not None and not -70 < self.loudness_lufs <= 0:
            raise ValueError(f"loudness_lufs must lie between -70 and 0, got {self.loudness_lufs}")
        if not -20 <= self.ceiling_db <= 0:
            raise ValueError(f"ceiling_db must be -20 to 0, got {self.ceiling_db}")
        if self.mix_gain_db is not None and not (math.isfinite(self.mix_gain_db) and self.mix_gain_db <= 24):
            raise ValueError(f"mix_gain_db must be at most 24, got {self.mix_gain_db}")
        if not 0 <= self.duck_db <= 60:
            raise ValueError(f"duck_db must be 0 to 60, got {self.duck_db}")
        if self.duck_db and self.mix_gain_db is None:
            raise ValueError("duck_db lowers the video's own sound in a mix, so it needs mix_gain_db")
