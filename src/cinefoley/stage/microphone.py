"""Microphone: distance, room and tone of a clip's sound, and the ambience below its events."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from cinefoley.stage.distribution import MICROPHONE
from cinefoley.stage.synthesis import Sound

__all__ = ["Microphone", "ambience", "draw_microphone"]

Place = Literal["room", "street", "field", "studio"]

_COLOURS: dict[Place, tuple[float, float, float]] = {
    "room": (40.0, 180.0, -1.3),
    "street": (50.0, 260.0, -0.9),
    "field": (120.0, 900.0, -0.7),
    "studio": (40.0, 300.0, -1.6),
}
"""For each place: low cut and corner in Hz, and the slope of the amplitude above the corner."""

_GUSTS: dict[Place, float] = {"room": 0.05, "street": 0.30, "field": 0.45, "studio": 0.02}
"""How far the level swings, as a share."""

_FALL = 0.6  # level of the direct sound over distance: distance ** -0.6, as a recordist turns up the gain


@dataclass(frozen=True, slots=True, kw_only=True)
class Microphone:
    """How one clip is recorded."""

    distance: float
    """1 where the camera stands."""
    reverb_s: float
    band_hz: tuple[float, float] | None
    """None for a microphone that hears everything."""
    ambience_db: float | None
    """Root mean square in dB below full scale; None for none."""
    hum_hz: float | None
    """Frequency of the mains in rooms."""

    @property
    def level(self) -> float:
        """Gain of the direct sound."""
        return float(self.distance**-_FALL)

    def colour(self, waveform: Sound, *, sample_rate: int) -> Sound:
        """What its band leaves of a sound."""
        if self.band_hz is None:
            return waveform
        low, high = self.band_hz
        sections = signal.butter(
            1, [low, min(high, 0.45 * sample_rate)], btype="bandpass", fs=sample_rate, output="sos"
        )
        return np.asarray(signal.sosfilt(sections, waveform))


def draw_microphone(rng: np.random.Generator) -> Microphone:
    """Draw a recording as :mod:`cinefoley.stage.distribution` says."""
    band = (MICROPHONE.low_cut_hz.draw(rng), MICROPHONE.high_cut_hz.draw(rng))
    level = MICROPHONE.ambience_db.draw(rng)
    has_tone, has_ambience, has_hum = (
        rng.random(3) < (MICROPHONE.tone, MICROPHONE.ambience, MICROPHONE.hum)
    ).tolist()
    return Microphone(
        distance=MICROPHONE.distance.draw(rng),
        reverb_s=MICROPHONE.reverb_s.draw(rng),
        band_hz=band if has_tone else None,
        ambience_db=level if has_ambience else None,
        hum_hz=float(rng.choice((50.0, 60.0))) if has_hum else None,
    )


def ambience(
    rng: np.random.Generator, count: int, *, microphone: Microphone, place: Place, sample_rate: int
) -> Sound:
    """Sound ``(count,)`` of a place where nothing happens: coloured noise with slow swells, and mains hum."""
    if microphone.ambience_db is None:
        return np.zeros(count)
    low, corner, slope = _COLOURS[place]
    hz = np.maximum(fft.rfftfreq(count, 1 / sample_rate), 1.0)
    shape = (hz / corner) ** slope * (hz > corner) + (hz <= corner)
    shape *= 1 / (1 + (low / hz) ** 4)
    noise = fft.irfft(fft.rfft(rng.standard_normal(count)) * shape, count)
    noise /= noise.std() + 1e-12
    time_s = np.arange(count) / sample_rate
    noise *= 1 + _GUSTS[place] * _swell(rng, time_s)
    if microphone.hum_hz is not None and place in {"room", "studio"}:
        for order in (1, 2, 3):
            noise += 0.5 / order * np.sin(2 * np.pi * order * microphone.hum_hz * time_s + rng.uniform(0, 6))
    return np.asarray(noise * 10 ** (microphone.ambience_db / 20))


def _swell(rng: np.random.Generator, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slow wandering in [-1, 1]."""
    total = np.zeros(len(time_s))
    for hz in (0.13, 0.31, 0.57):
        total += np.sin(2 * np.pi * (hz * time_s + rng.random())) / 3
    return total
