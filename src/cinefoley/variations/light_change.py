"""Light change: exposure, colour temperature, a flash, or day for night."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch

from cinefoley.config.film_language import (
    EXPOSURE_STOPS,
    FLASH_DECAY_S,
    FLASH_STOPS,
    KELVIN,
    LIGHT_TIME_S,
    NIGHT_STOPS,
    LightKind,
    Range,
    check_range,
)
from cinefoley.variations.effects import Light
from cinefoley.variations.variation import Variation, draw_uniform, within
from cinefoley.variations.window import Kind, Window

__all__ = ["LightChange"]

_BEGIN = (0.1, 0.8)  # of the clip
_DAYLIGHT_K = 5600.0
_WIEN_NM_K = 1.4388e7  # second radiation constant
_WAVELENGTHS_NM = (610.0, 550.0, 465.0)  # of sRGB's red, green and blue
_LUMA = (0.2126, 0.7152, 0.0722)
_NIGHT_SATURATION = 0.3
_NIGHT_KELVIN = 12000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LightChange(Variation):
    """Change the light, and nothing that makes sound.

    Source: Brown, *Cinematography*, on exposure, colour temperature and day for night. ``exposure`` goes up
    or down by some stops, ``temperature`` from daylight to warmer or cooler light, smoothly; a ``flash`` is
    there at once and dies away; ``day_for_night`` is dark, blue and pale throughout.
    Reading: gains of a colour temperature follow Wien's law at the wavelengths of red, green and blue, at
    constant luminance.

    Raises:
        ValueError: If a range is crossed or outside its bounds, or there is no such light.
    """

    kind: ClassVar[Kind] = "light_change"
    _least_s: ClassVar[float] = 1.0
    light: LightKind | Literal["any"] = "any"
    """What changes; ``any`` draws it."""
    exposure_range: Range = EXPOSURE_STOPS
    """Stops, up or down."""
    kelvin_range: Range = KELVIN
    """Colour temperatures that are changed to, 1,000 K and more."""
    flash_range: Range = FLASH_STOPS
    """Stops of a flash."""
    night_range: Range = NIGHT_STOPS
    """Stops that day for night is underexposed by."""
    time_range: Range = LIGHT_TIME_S
    """Seconds that a change of exposure or colour temperature takes, above 0."""

    def __post_init__(self) -> None:
        if self.light not in ("any", *get_args(LightKind)):
            raise ValueError(f"light must be 'any' or one of {get_args(LightKind)}, got {self.light!r}")
        for name in ("exposure_range", "flash_range", "night_range"):
            check_range(name, getattr(self, name), high=10.0)
        check_range("kelvin_range", self.kelvin_range, low=1000.0, high=40000.0)
        check_range("time_range", self.time_range, low=1e-3)

    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw what changes, how much, which way, and when."""
        choice, amount, way, begin, lasts = draw_uniform(5, generator)
        kinds = get_args(LightKind)
        light = kinds[int(choice * len(kinds))] if self.light == "any" else self.light
        when = {"begin": within(_BEGIN, begin), "lasts_s": within(self.time_range, lasts)}
        match light:
            case "exposure":
                stops = within(self.exposure_range, amount) * (1 if way < 0.5 else -1)
                effect = Light(gains=(2**stops,) * 3, profile="change", **when)
            case "temperature":
                effect = Light(gains=_gains(self._kelvin(amount)), profile="change", **when)
            case "flash":
                when["lasts_s"] = within(FLASH_DECAY_S, lasts)
                effect = Light(gains=(2 ** within(self.flash_range, amount),) * 3, profile="flash", **when)
            case _:
                dark = 2 ** -within(self.night_range, amount)
                red, green, blue = (dark * gain for gain in _gains(_NIGHT_KELVIN))
                effect = Light(gains=(red, green, blue), profile="constant", saturation=_NIGHT_SATURATION)
        return Window(kind=self.kind, size=size, effects=(effect,))

    def _kelvin(self, number: float) -> float:
        """Evenly in 1 / K, which is how differences of colour temperature are seen."""
        low, high = self.kelvin_range
        return 1 / within((1 / high, 1 / low), number)


def _gains(kelvin: float) -> tuple[float, float, float]:
    """Factors of red, green and blue that turn daylight into light of a colour temperature."""
    by = [math.exp(-_WIEN_NM_K / nm * (1 / kelvin - 1 / _DAYLIGHT_K)) for nm in _WAVELENGTHS_NM]
    luminance = sum(weight * gain for weight, gain in zip(_LUMA, by, strict=True))
    return by[0] / luminance, by[1] / luminance, by[2] / luminance
