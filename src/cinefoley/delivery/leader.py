"""The 2-pop: one frame of tone two seconds before the picture starts, by which reels are lined up."""

import numpy as np

from cinefoley.delivery.timecode import TimecodeClock
from cinefoley.errors import DataError
from cinefoley.media.audio.reader import Samples

__all__ = ["POP_S", "make_two_pop", "pop_frames"]

POP_S = 2
"""Seconds of timecode from the pop to the first frame."""

_TONE_HZ = 1000.0
_LEVEL_DB = -20.0  # RMS of a sine at the reference level, SMPTE RP 155


def pop_frames(clock: TimecodeClock) -> int:
    """Frames from the pop to the first frame of the picture.

    Raises:
        DataError: If the pop would be before midnight.
    """
    frames = POP_S * clock.nominal_rate
    if clock.start_frame < frames:
        raise DataError(
            f"A 2-pop would be at {clock.at_frame(clock.start_frame - frames)}, before midnight. Let the "
            "picture start later, with --start-timecode 01:00:00:00."
        )
    return frames


def make_two_pop(clock: TimecodeClock, sample_rate: int) -> Samples:
    """One frame of 1 kHz at -20 dB, then silence until the picture starts.

    Returns:
        ``(1, N)`` float32.
    """
    total = round(pop_frames(clock) / clock.rate * sample_rate)
    length = round(1 / clock.rate * sample_rate)
    sound = np.zeros((1, total), np.float32)
    tone = np.sin(2 * np.pi * _TONE_HZ / sample_rate * np.arange(length))
    sound[0, :length] = np.sqrt(2) * 10 ** (_LEVEL_DB / 20) * tone
    return sound
