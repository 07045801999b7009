"""Physical recipes for sound: struck modes, filtered noise, plucked and bowed strings, a room."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal

__all__ = ["Sound", "bowed_string", "filtered_noise", "modes", "place_in_room", "plucked_string"]

Sound = NDArray[np.float64]
"""A mono waveform ``(N,)``."""


def modes(
    frequencies: Sequence[float],
    decays_s: Sequence[float],
    gains: Sequence[float],
    *,
    sample_rate: int,
    glide: float = 0.0,
) -> Sound:
    """Sum of decaying sines, as a struck body rings.

    Args:
        frequencies: In Hz; those above 0.45 of the sample rate are left out.
        decays_s: Seconds in which each mode falls by 60 dB.
        gains: Amplitudes.
        sample_rate: In Hz.
        glide: Fraction by which pitch starts higher and sinks within some 30 ms, as a drum skin's does.
    """
    time_s = np.arange(int(max(decays_s) * sample_rate)) / sample_rate
    bend = time_s + glide * 0.03 * (1 - np.exp(-time_s / 0.03))
    total = np.zeros_like(time_s)
    for frequency, decay_s, gain in zip(frequencies, decays_s, gains, strict=True):
        if frequency < 0.45 * sample_rate:
            total += gain * np.exp(-6.91 * time_s / decay_s) * np.sin(2 * np.pi * frequency * bend)
    return total


def filtered_noise(
    rng: np.random.Generator,
    *,
    band_hz: tuple[float, float],
    decay_s: float,
    sample_rate: int,
    attack_s: float = 0.001,
) -> Sound:
    """Noise in a band that rises in ``attack_s`` and falls by 60 dB in ``decay_s``."""
    count = int((attack_s + decay_s) * sample_rate)
    time_s = np.arange(count) / sample_rate
    top = min(band_hz[1], 0.45 * sample_rate)
    sections = signal.butter(2, [band_hz[0], top], btype="bandpass", fs=sample_rate, output="sos")
    noise = signal.sosfilt(sections, rng.standard_normal(count))
    envelope = np.minimum(1, time_s / attack_s) * np.exp(-6.91 * np.maximum(0, time_s - attack_s) / decay_s)
    return np.asarray(noise / (noise.std() + 1e-9) * envelope)


def plucked_string(frequency: float, *, decay_s: float, brightness: float, sample_rate: int) -> Sound:
    """Harmonics of a string plucked at a fifth of its length; higher ones die sooner."""
    orders = np.arange(1, 1 + max(1, min(24, int(0.45 * sample_rate / frequency))))
    gains = np.abs(np.sin(np.pi * orders / 5)) / orders ** (2.2 - brightness)
    return modes(
        (frequency * orders * np.sqrt(1 + 1e-4 * orders**2)).tolist(),
        (decay_s / (1 + 0.25 * (orders - 1))).tolist(),
        gains.tolist(),
        sample_rate=sample_rate,
    )


def bowed_string(frequency: float, *, length_s: float, sample_rate: int, rng: np.random.Generator) -> Sound:
    """A stroke of the bow: a sawtooth-like tone with vibrato that swells and fades."""
    time_s = np.arange(int(length_s * sample_rate)) / sample_rate
    vibrato = 1 + 0.006 * np.sin(2 * np.pi * 5.5 * time_s + rng.uniform(0, 6.28))
    phase = 2 * np.pi * frequency * np.cumsum(vibrato) / sample_rate
    total = np.zeros_like(time_s)
    for order in range(1, max(2, min(16, int(0.45 * sample_rate / frequency)))):
        total += np.sin(order * phase) / order**1.2
    swell = np.sin(np.pi * np.clip(time_s / length_s, 0, 1)) ** 0.6
    return total * swell * (1 + 0.1 * rng.standard_normal(len(time_s)))


def place_in_room(
    waveform: Sound, *, rng: np.random.Generator, reverb_s: float, wet: float, sample_rate: int
) -> Sound:
    """Add the tail of a room: ``wet`` times noise that falls by 60 dB in ``reverb_s``; same length."""
    time_s = np.arange(int(reverb_s * sample_rate)) / sample_rate
    tail = rng.standard_normal(len(time_s)) * np.exp(-6.91 * time_s / reverb_s)
    tail[: int(0.008 * sample_rate)] = 0  # the direct sound comes first
    tail /= np.sqrt(np.sum(tail**2)) + 1e-9
    return waveform + wet * signal.fftconvolve(waveform, tail)[: len(waveform)]
