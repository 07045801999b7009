"""Paths of a window: keyframes with easing, and the waves of a hand-held camera."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, Self, get_args

__all__ = ["Easing", "Framing", "Keyframe", "Path", "Wave", "compose"]

Easing = Literal["linear", "smooth", "cut"]
"""How a path goes from one keyframe to the next: at constant speed, with a smooth start and stop, or at once
at the second."""

Framing = tuple[float, float, float, float]
"""``(y0, x0, height, width)`` of what is shown, as fractions of the frame, inside it."""

_CENTER = (0.5, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """Size and place of a window at one moment."""

    progress: float
    """0 at the clip's first frame, 1 at its last."""
    scale: tuple[float, float]
    """``(r_h, r_w)``: kept fraction of the height and of the width, in (0, 1]."""
    place: tuple[float, float] = _CENTER
    """Place along the free margin, down and across: 0 at the upper or left border, 1 at the other."""

    def __post_init__(self) -> None:
        if not all(0 < side <= 1 for side in self.scale):
            raise ValueError(f"scale must lie in (0, 1], got {self.scale}")
        if not all(0 <= value <= 1 for value in (self.progress, *self.place)):
            raise ValueError(f"progress and place must lie in [0, 1], got {self.progress} and {self.place}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One frequency of a shake."""

    frequency_hz: float
    """Cycles per second."""
    amplitude: tuple[float, float]
    """Down and across, as fractions of the frame's height and width."""
    phase: tuple[float, float]
    """Down and across, in cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """How a window changes while a clip runs.

    Raises:
        ValueError: If there is no keyframe, or they are not in ascending order.
    """

    keys: tuple[Keyframe, ...]
    """In order of their times; before the first and after the last, nothing changes."""
    easing: Easing = "linear"
    """How it goes from one to the next."""
    waves: tuple[Wave, ...] = ()
    """A shake that is added to the place."""

    def __post_init__(self) -> None:
        times = [key.progress for key in self.keys]
        if not times or times != sorted(times):
            raise ValueError(f"a path needs keyframes in ascending order, got {times}")
        if self.easing not in get_args(Easing):
            raise ValueError(f"easing must be one of {get_args(Easing)}, got {self.easing!r}")

    @property
    def is_moving(self) -> bool:
        """Whether it changes at all."""
        return bool(self.waves) or any((a.scale, a.place) != (b.scale, b.place) for a, b in self._pairs())

    @property
    def has_one_size(self) -> bool:
        """Whether the window keeps its size."""
        return len({key.scale for key in self.keys}) == 1

    @property
    def largest(self) -> tuple[float, float]:
        """Largest kept fraction of the height and of the width."""
        return max(key.scale[0] for key in self.keys), max(key.scale[1] for key in self.keys)

    def framing_at(self, progress: float, duration_s: float) -> Framing:
        """What is shown at one moment.

        Scales between keyframes are interpolated by their logarithms, so that a zoom seems to have one speed.

        Args:
            progress: 0 at the first frame, 1 at the last.
            duration_s: Seconds between the two; shakes depend on it.
        """
        scale, place = self._between(progress)
        corner = [(1 - kept) * at for kept, at in zip(scale, place, strict=True)]
        for wave in self.waves:
            cycles = wave.frequency_hz * progress * duration_s
            for axis in (0, 1):
                corner[axis] += wave.amplitude[axis] * math.sin(2 * math.pi * (cycles + wave.phase[axis]))
        y0, x0 = (min(max(at, 0.0), 1 - kept) for at, kept in zip(corner, scale, strict=True))
        return y0, x0, *scale

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from what :meth:`to_dict` returns, also after it was JSON."""
        return cls(
            keys=tuple(Keyframe(**_frozen(key)) for key in values["keys"]),
            easing=values["easing"],
            waves=tuple(Wave(**_frozen(wave)) for wave in values["waves"]),
        )

    def _pairs(self) -> "pairwise[tuple[Keyframe, Keyframe]]":
        return pairwise(self.keys)

    def _between(self, progress: float) -> tuple[tuple[float, float], tuple[float, float]]:
        before = max((key for key in self.keys if key.progress <= progress), default=None, key=_time)
        after = min((key for key in self.keys if key.progress > progress), default=None, key=_time)
        if before is None or after is None or self.easing == "cut":
            key = before or after
            assert key is not None  # there is at least one keyframe
            return key.scale, key.place
        share = (progress - before.progress) / (after.progress - before.progress)
        if self.easing == "smooth":
            share = share * share * (3 - 2 * share)
        scale = [a * (b / a) ** share for a, b in zip(before.scale, after.scale, strict=True)]
        place = [a + (b - a) * share for a, b in zip(before.place, after.place, strict=True)]
        return (min(scale[0], 1.0), min(scale[1], 1.0)), (place[0], place[1])


def compose(outer: Framing, inner: Framing) -> Framing:
    """A framing of what another framing shows, as a framing of the whole frame."""
    y0, x0, height, width = outer
    return y0 + height * inner[0], x0 + width * inner[1], height * inner[2], width * inner[3]


def _time(key: Keyframe) -> float:
    return key.progress


def _frozen(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
