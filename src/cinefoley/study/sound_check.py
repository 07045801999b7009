"""Sound check: a short sound with a number of beeps for participants to count."""

import io
import wave

import numpy as np

__all__ = ["LEAST_BEEPS", "MOST_BEEPS", "beeping_wav"]

LEAST_BEEPS, MOST_BEEPS = 2, 5
_SAMPLE_RATE = 24000
_BEEP_S, _GAP_S = 0.25, 0.3
_PITCH_HZ, _LEVEL = 660.0, 0.25


def beeping_wav(beeps: int) -> bytes:
    """A mono 16-bit WAV file with ``beeps`` beeps.

    Its length does not depend on the number of beeps.

    Args:
        beeps: Number of beeps, ``LEAST_BEEPS`` to ``MOST_BEEPS``.

    Raises:
        ValueError: If the number is out of range.
    """
    if not LEAST_BEEPS <= beeps <= MOST_BEEPS:
        raise ValueError(f"beeps must be {LEAST_BEEPS} to {MOST_BEEPS}, got {beeps}")
    length, step = int(_BEEP_S * _SAMPLE_RATE), int((_BEEP_S + _GAP_S) * _SAMPLE_RATE)
    times = np.arange(length) / _SAMPLE_RATE
    fade = np.minimum(1, np.minimum(times, times[::-1]) / 0.02)  # an abrupt start or end clicks
    tone = _LEVEL * fade * np.sin(2 * np.pi * _PITCH_HZ * times)
    samples = np.zeros(step * (MOST_BEEPS + 1))
    for number in range(beeps):
        start = step // 2 + number * step
        samples[start : start + length] = tone
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(_SAMPLE_RATE)
        writer.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()
