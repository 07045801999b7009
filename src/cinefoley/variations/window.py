"""The window that a varied clip shows: position and size over time, as fractions and in pixels."""

from dataclasses import dataclass, replace
from math import floor
from typing import Any, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.config.variations import Direction, Kind
from cinefoley.variations.effects import Effect, effect_from_dict
from cinefoley.variations.paths import Framing, Path, compose

__all__ = ["Box", "Kind", "Window"]

Box = tuple[int, int, int, int]
"""``(x0, y0, x1, y1)`` in pixels; the right and lower edges lie outside."""

_CENTER = (0.5, 0.5)
_CLIP_S = 8.192  # the paper's window: the length of a clip where it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is shown of a clip while it runs: which part of the frame, and with which effects on its pixels.

    Without ``paths``, the window has a constant size, and stands still or moves at constant speed. With
    ``paths``, each is a framing of what the one before shows. Effects come after all framings, in order.

    All values are fractions, so the window fits any frame size. In pixels, a side of ``n`` becomes
    ``round(n * scale)``, at least 1; a place ``p`` along the free margin ``m`` is ``round(m * p)``; both in
    float64, halves rounded up, so that every machine finds the same pixels.
    """

    kind: Kind
    """The variation."""
    size: tuple[int, int]
    """Height and width of the frame it was drawn for, in pixels."""
    scale: tuple[float, float] = (1.0, 1.0)
    """``(r_h, r_w)``: kept fraction of the height and of the width, in (0, 1]."""
    start: tuple[float, float] = _CENTER
    """Place at the clip's first frame, down and across: 0 at the upper or left border, 1 at the other."""
    end: tuple[float, float] = _CENTER
    """Place at the clip's last frame."""
    direction: Direction | None = None
    """The way it moves; None where it stands still."""
    multiple: int = 1
    """Height, width and place are multiples of this many pixels: 2 where a codec shares colour among 2x2."""
    paths: tuple[Path, ...] = ()
    """Framings with keyframes; ``scale``, ``start`` and ``end`` are unused then."""
    effects: tuple[Effect, ...] = ()
    """Changes of the pixels that are shown."""
    duration_s: float | None = None
    """Seconds from the clip's first frame to its last; None where no clip is known, or none matters."""

    def __post_init__(self) -> None:
        if self.multiple < 1 or min(self.size) < self.multiple:
            raise ValueError(
                f"the frame must hold at least {self.multiple}x{self.multiple} pixels, got {self.size}"
            )
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {get_args(Kind)}, got {self.kind!r}")
        if not all(0 < side <= 1 for side in self.scale):
            raise ValueError(f"scale must lie in (0, 1], got {self.scale}")
        if not all(0 <= place <= 1 for place in (*self.start, *self.end)):
            raise ValueError(f"start and end must lie in [0, 1], got {self.start} and {self.end}")

    @property
    def is_moving(self) -> bool:
        """Whether place, size or pixels change while the clip runs; such a clip needs two frames."""
        changes = [path.is_moving for path in self.paths] + [effect.is_varying for effect in self.effects]
        return self.start != self.end or any(changes)

    @property
    def is_crop(self) -> bool:
        """Whether it is shown by cutting out boxes of one size, without a change to any pixel."""
        is_plain = all(path.has_one_size and not path.waves for path in self.paths)
        return is_plain and not self.effects

    @property
    def crop_size(self) -> tuple[int, int]:
        """Height and width of what is shown, in pixels: where the size changes, the largest."""
        height, width = (self._kept(side, kept) for side, kept in zip(self.size, self._largest, strict=True))
        return height, width

    @property
    def seconds(self) -> float:
        """``duration_s``, or the paper's 8.192 s where it is not known."""
        return _CLIP_S if self.duration_s is None else self.duration_s

    def lasting(self, duration_s: float) -> Self:
        """The same window on a clip of known length, if it depends on that and none is known yet.

        Args:
            duration_s: Seconds from the clip's first frame to its last, 0 or more.
        """
        is_timed = any(path.waves for path in self.paths) or any(e.is_varying for e in self.effects)
        return replace(self, duration_s=duration_s) if is_timed and self.duration_s is None else self

    def framing_at(self, progress: float) -> Framing:
        """What is shown at one moment, in fractions of the frame and not rounded.

        Raises:
            ValueError: If ``progress`` is outside [0, 1].
        """
        if not 0 <= progress <= 1:
            raise ValueError(f"progress must lie in [0, 1], got {progress}")
        if not self.paths:
            at = [start + (end - start) * progress for start, end in zip(self.start, self.end, strict=True)]
            return (1 - self.scale[0]) * at[0], (1 - self.scale[1]) * at[1], *self.scale
        framing: Framing = (0.0, 0.0, 1.0, 1.0)
        for path in self.paths:
            framing = compose(framing, path.framing_at(progress, self.seconds))
        return framing

    def openings(self, num_frames: int) -> list[NDArray[np.float64]]:
        """What effects leave visible, one entry for each effect that hides something.

        Args:
            num_frames: T, of a clip at a constant rate.

        Returns:
            Disjoint boxes ``(K, T, 4)`` as fractions of what is shown; see
            :meth:`~cinefoley.variations.effects.Effect.openings`.
        """
        times = np.arange(num_frames) / max(1, num_frames - 1) * self.seconds
        found = [effect.openings(times, self.seconds) for effect in self.effects]
        return [boxes for boxes in found if boxes is not None]

    def on(self, size: tuple[int, int], *, multiple: int | None = None) -> Self:
        """The same window on frames of another height and width, and on another grid.

        Args:
            size: Height and width in pixels.
            multiple: Height, width and place become multiples of this; None leaves that as it is.

        Raises:
            ValueError: If the frame is smaller than ``multiple``.
        """
        return replace(self, size=size, multiple=self.multiple if multiple is None else multiple)

    def box_at(self, progress: float) -> Box:
        """The window in pixels at one moment.

        Args:
            progress: 0 at the clip's first frame, 1 at its last.

        Raises:
            ValueError: If ``progress`` is outside [0, 1].
        """
        if not 0 <= progress <= 1:
            raise ValueError(f"progress must lie in [0, 1], got {progress}")
        if self.paths:
            return self._box_of(self.framing_at(progress))
        height, width = self.crop_size
        y0, x0 = (
            self._round((side - kept) * (start + (end - start) * progress), most=side - kept)
            for side, kept, start, end in zip(self.size, (height, width), self.start, self.end, strict=True)
        )
        return x0, y0, x0 + width, y0 + height

    def boxes(self, num_frames: int, size: tuple[int, int] | None = None) -> Tensor:
        """The window in pixels for each frame of a clip at a constant rate.

        Args:
            num_frames: T. A window that moves needs two frames at least.
            size: Height and width of the frames; None means those it was drawn for.

        Returns:
            ``(T, 4)`` int64, each row a :data:`Box`. The first row is ``start``, the last ``end``.

        Raises:
            ValueError: If there are too few frames, or too few pixels.

        Examples:
            >>> Window(kind="close_up", size=(240, 320), scale=(0.5, 0.5)).boxes(2)
            tensor([[ 80,  60, 240, 180],
                    [ 80,  60, 240, 180]])
        """
        if num_frames < (2 if self.is_moving else 0):
            raise ValueError(f"a {self.kind.replace('_', ' ')} needs at least two frames, got {num_frames}")
        window = self if size is None else self.on(size)
        rows = [window.box_at(n / max(1, num_frames - 1)) for n in range(num_frames)]
        return torch.tensor(rows, dtype=torch.int64).reshape(num_frames, 4)

    def to_dict(self) -> dict[str, Any]:
        """All about the window, for JSON; the first and last box are there for readers without this class."""
        more = {
            "paths": [path.to_dict() for path in self.paths],
            "effects": [effect.to_dict() for effect in self.effects],
            "duration_s": self.duration_s,
        }
        return {
            "kind": self.kind,
            "size": list(self.size),
            "scale": list(self.scale),
            "start": list(self.start),
            "end": list(self.end),
            "direction": self.direction,
            "multiple": self.multiple,
            "first_box": list(self.box_at(0)),
            "last_box": list(self.box_at(1)),
            **(more if self.paths or self.effects else {}),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from what :meth:`to_dict` returns.

        Raises:
            ValueError: If an entry is missing or out of range, or the boxes are not this window's.
        """
        try:
            window = cls(
                kind=values["kind"],
                size=_pair(values["size"]),
                scale=_pair(values["scale"]),
                start=_pair(values["start"]),
                end=_pair(values["end"]),
                direction=values["direction"],
                multiple=values["multiple"],
                paths=tuple(map(Path.from_dict, values.get("paths", ()))),
                effects=tuple(map(effect_from_dict, values.get("effects", ()))),
                duration_s=values.get("duration_s"),
            )
        except (KeyError, TypeError, AttributeError) as exc:
            raise ValueError(f"no record of a window: {values!r}") from exc
        for name, progress in (("first_box", 0), ("last_box", 1)):
            if tuple(values.get(name, window.box_at(progress))) != window.box_at(progress):
                raise ValueError(f"{name} {values[name]} is not the window's, {window.box_at(progress)}")
        return window

    @property
    def _largest(self) -> tuple[float, float]:
        """Largest kept fraction of the height and of the width."""
        height, width = self.scale if not self.paths else (1.0, 1.0)
        for path in self.paths:
            height, width = height * path.largest[0], width * path.largest[1]
        return height, width

    def _box_of(self, framing: Framing) -> Box:
        edges = []
        for side, begin, kept in zip(self.size, framing[:2], framing[2:], strict=True):
            length = self._kept(side, kept)
            edges.append((self._round(side * begin, most=side - length), length))
        (y0, height), (x0, width) = edges
        return x0, y0, x0 + width, y0 + height

    def _kept(self, side: int, scale: float) -> int:
        return max(self.multiple, self._round(side * scale, most=side))

    def _round(self, pixels: float, *, most: int) -> int:
        """To the nearest multiple, halves up, not beyond ``most``."""
        steps = floor(pixels / self.multiple + 0.5)
        return min(steps, most // self.multiple) * self.multiple


def _pair(values: Any) -> Any:
    first, second = values
    return first, second
