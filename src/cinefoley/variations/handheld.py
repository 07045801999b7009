"""Hand-held camera: a frame that sways and trembles."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from cinefoley.config.film_language import (
    HANDHELD_AMPLITUDE,
    HANDHELD_FREQUENCY_HZ,
    HANDHELD_SCALE,
    Range,
    check_range,
)
from cinefoley.variations.paths import Keyframe, Path, Wave
from cinefoley.variations.variation import Variation, draw_uniform, within
from cinefoley.variations.window import Kind, Window

__all__ = ["Handheld"]

_NUM_WAVES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Handheld(Variation):
    """Shake the frame as a hand does: slow sway, and little of it at high frequencies.

    Source: the measured camera shake of the CIPA standard DC-011 lies below 10 Hz and falls with frequency.
    Reading: eight sinusoids, one in each eighth of the band on a logarithmic scale, amplitudes falling with
    1/f, phases at random. The shake stops at the frame's border.

    Raises:
        ValueError: If a range is crossed or outside its bounds.
    """

    kind: ClassVar[Kind] = "handheld"
    _least_s: ClassVar[float] = 1.0
    scale_range: Range = HANDHELD_SCALE
    """Part of each side that is shown, in (0, 1]; the rest is room for the shake."""
    amplitude_range: Range = HANDHELD_AMPLITUDE
    """Standard deviation of the shake, as a fraction of the shorter side."""
    frequency_range: Range = HANDHELD_FREQUENCY_HZ
    """Band of the shake in Hz, above 0."""

    def __post_init__(self) -> None:
        check_range("scale_range", self.scale_range, low=1e-3, high=1.0)
        check_range("amplitude_range", self.amplitude_range, high=0.5)
        check_range("frequency_range", self.frequency_range, low=1e-3, high=100.0)

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw the size, the strength, and each wave's frequency and phases."""
        r, strength, *numbers = draw_uniform(2 + 3 * _NUM_WAVES, generator)
        scale = within(self.scale_range, r)
        frequencies, phases = numbers[:_NUM_WAVES], numbers[_NUM_WAVES:]
        low, high = (math.log(f) for f in self.frequency_range)
        found = [math.exp(low + (high - low) * (n + u) / _NUM_WAVES) for n, u in enumerate(frequencies)]
        total = math.sqrt(sum(f**-2 for f in found))
        deviation = within(self.amplitude_range, strength) * min(size)
        waves = tuple(
            Wave(
                frequency_hz=f,
                amplitude=_fractions(deviation * math.sqrt(2) / (f * total), size),
                phase=(phases[2 * n], phases[2 * n + 1]),
            )
            for n, f in enumerate(found)
        )
        keys = (Keyframe(progress=0.0, scale=(scale, scale)),)
        return Window(kind=self.kind, size=size, paths=(Path(keys=keys, waves=waves),))


def _fractions(pixels: float, size: tuple[int, int]) -> tuple[float, float]:
    return pixels / size[0], pixels / size[1]
