"""Levels of a delivery: one gain for all takes of a video, from a target loudness and a true-peak ceiling."""

from collections.abc import Iterable
from dataclasses import dataclass

from cinefoley.media.audio.loudness import Loudness

__all__ = ["CEILING_DB", "SharedGain", "shared_gain"]

CEILING_DB = -1.0
"""Highest true peak of a delivery, in dB of full scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedGain:
    """The gain of every file of a delivery."""

    gain_db: float
    """Gain in dB."""
    is_limited: bool
    """Whether the ceiling did not allow the target loudness."""

    @property
    def factor(self) -> float:
        """What samples are multiplied by."""
        return float(10 ** (self.gain_db / 20))


def shared_gain(
    whole: Loudness, takes: Iterable[Loudness], *, target_lufs: float | None, ceiling_db: float = CEILING_DB
) -> SharedGain:
    """The gain that brings a track to a loudness, and no take above the ceiling.

    Args:
        whole: Loudness of the track of the used takes.
        takes: Loudness of every delivered take.
        target_lufs: Loudness to reach; None leaves the level unless a true peak is above full scale.
        ceiling_db: Highest true peak, in dB of full scale.

    Returns:
        The gain; for a track without loudness, at most that of the ceiling.
    """
    peak = max(sound.true_peak_db for sound in (whole, *takes))
    room = ceiling_db - peak
    if target_lufs is None:
        return SharedGain(gain_db=round(min(0.0, room), 2) if peak > 0 else 0.0, is_limited=False)
    if whole.integrated_lufs is None:
        return SharedGain(gain_db=round(min(0.0, room), 2), is_limited=True)
    wanted = target_lufs - whole.integrated_lufs
    return SharedGain(gain_db=round(min(wanted, room), 2), is_limited=wanted > room)
