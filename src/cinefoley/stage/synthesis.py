"""Physical recipes for sound: struck modes, filtered noise, plucked and bowed strings, voices, a room."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal

__all__ = [
    "Sound",
    "bowed_string",
    "filtered_noise",
    "formants",
    "harmonics",
    "layers",
    "modes",
    "place_in_room",
    "plucked_string",
    "steady_noise",
    "swell",
]

Sound = NDArray[np.float64]
"""A mono waveform ``(N,)``."""

_SIXTY_DB = 6.91  # ln(1000)


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
    total = np.zeros(int(max(decays_s) * sample_rate))
    for frequency, decay_s, gain in zip(frequencies, decays_s, gains, strict=True):
        if frequency >= 0.45 * sample_rate:
            continue
        rate = complex(-_SIXTY_DB / decay_s, 2 * math.pi * frequency) / sample_rate
        spiral = _spiral(rate, int(decay_s * sample_rate))
        if glide:
            bend = (
                glide
                * 0.03
                * (1 - np.exp(-np.arange(min(len(spiral), sample_rate // 3)) / (0.03 * sample_rate)))
            )
            spiral[: len(bend)] *= np.exp(2j * math.pi * frequency * bend)
            spiral[len(bend) :] *= np.exp(2j * math.pi * frequency * glide * 0.03)
        total[: len(spiral)] += gain * spiral.imag
    return total


def _spiral(rate: complex, count: int) -> NDArray[np.complex128]:
    """``exp(rate * n)`` for n below ``count``, as an outer product: two short exponentials, one multiply."""
    step = 256
    rows = np.exp(rate * step * np.arange(-(-count // step)))
    return (rows[:, None] * np.exp(rate * np.arange(step))[None]).reshape(-1)[:count]


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
    noise = steady_noise(rng, count, band_hz=band_hz, sample_rate=sample_rate)
    envelope = np.minimum(1, time_s / attack_s) * np.exp(
        -_SIXTY_DB * np.maximum(0, time_s - attack_s) / decay_s
    )
    return noise * envelope


def steady_noise(
    rng: np.random.Generator, count: int, *, band_hz: tuple[float, float], sample_rate: int
) -> Sound:
    """Noise ``(count,)`` in a band, standard deviation 1."""
    noise = _band(rng.standard_normal(count), band_hz, sample_rate)
    return noise / (noise.std() + 1e-9)


def _band(noise: Sound, band_hz: tuple[float, float], sample_rate: int) -> Sound:
    top = min(band_hz[1], 0.45 * sample_rate)
    bottom = min(band_hz[0], 0.8 * top)
    sections = signal.butter(2, [bottom, top], btype="bandpass", fs=sample_rate, output="sos")
    return np.asarray(signal.sosfilt(sections, noise))


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


def bowed_string(
    frequency: float, *, length_s: float, slope: float, sample_rate: int, rng: np.random.Generator
) -> Sound:
    """A stroke of the bow: a sawtooth-like tone with vibrato that swells and fades; steep is dull."""
    time_s = np.arange(int(length_s * sample_rate)) / sample_rate
    vibrato = 1 + 0.006 * np.sin(2 * np.pi * 5.5 * time_s + rng.uniform(0, 6.28))
    total = harmonics(frequency * vibrato, slope=slope, count=15, sample_rate=sample_rate)
    arc = np.sin(np.pi * np.clip(time_s / length_s, 0, 1)) ** 0.6
    return total * arc * (1 + 0.1 * rng.standard_normal(len(time_s)))


def harmonics(pitch: Sound, *, slope: float, count: int, sample_rate: int) -> Sound:
    """A tone of moving pitch (Hz at every sample): ``count`` harmonics, amplitude ``order ** -slope``."""
    turn = np.exp(2j * np.pi * np.cumsum(pitch) / sample_rate)
    total, power = np.zeros(len(pitch)), np.ones(len(pitch), dtype=np.complex128)
    for order in range(1, max(1, min(count, int(0.45 * sample_rate / float(pitch.max())))) + 1):
        power = power * turn
        total += power.imag / order**slope
    return total


def formants(
    source: Sound, centers_hz: Sequence[float], widths_hz: Sequence[float], *, sample_rate: int
) -> Sound:
    """A source through parallel resonators, as a throat shapes a voice; peak 1."""
    total = np.zeros(len(source))
    for center, width in zip(centers_hz, widths_hz, strict=True):
        if center < 0.45 * sample_rate:
            b, a = signal.iirpeak(center, center / width, fs=sample_rate)
            total += signal.lfilter(b, a, source)
    return total / (np.abs(total).max() + 1e-9)


def swell(length_s: float, *, attack_s: float, release_s: float, sample_rate: int) -> Sound:
    """Envelope of something that lasts: it rises, stays at 1 and falls to 0 after ``length_s``."""
    time_s = np.arange(int((length_s + release_s) * sample_rate)) / sample_rate
    rise = np.clip(time_s / attack_s, 0, 1)
    fall = np.clip(1 - (time_s - length_s) / release_s, 0, 1)
    return np.sin(0.5 * np.pi * rise) ** 2 * np.sin(0.5 * np.pi * fall) ** 2


def layers(*parts: Sound) -> Sound:
    """Sum of sounds that start together, as long as the longest."""
    total = np.zeros(max(len(part) for part in parts))
    for part in parts:
        total[: len(part)] += part
    return total


def place_in_room(
    waveform: Sound, *, rng: np.random.Generator, reverb_s: float, wet: float, sample_rate: int
) -> Sound:
    """Add the tail of a room: ``wet`` times noise that falls by 60 dB in ``reverb_s``; same length."""
    time_s = np.arange(int(reverb_s * sample_rate)) / sample_rate
    tail = rng.standard_normal(len(time_s)) * np.exp(-_SIXTY_DB * time_s / reverb_s)
    tail[: int(0.008 * sample_rate)] = 0  # the direct sound comes first
    tail /= np.sqrt(np.sum(tail**2)) + 1e-9
    return waveform + wet * signal.oaconvolve(waveform, tail)[: len(waveform)]
