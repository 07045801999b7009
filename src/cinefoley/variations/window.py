"""The window that a varied clip shows: position and size over time, as fractions and in pixels."""

from dataclasses import dataclass, replace
from math import floor
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor

from cinefoley.config.variations import Direction

__all__ = ["Box", "Kind", "Window"]

Kind = Literal["none", "close_up", "camera_movement"]
"""Which variation a window belongs to; ``none`` shows the whole frame."""

Box = tuple[int, int, int, int]
"""``(x0, y0, x1, y1)`` in pixels; the right and lower edges lie outside."""

_CENTER = (0.5, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window of constant size that stands still, or moves at constant speed, while a clip runs.

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
        """Whether the window changes its place."""
        return self.start != self.end

    @property
    def crop_size(self) -> tuple[int, int]:
        """Height and width that are left, in pixels."""
        height, width = (self._kept(side, scale) for side, scale in zip(self.size, self.scale, strict=True))
        return height, width

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
            raise ValueError(f"a camera movement needs at least two frames, got {num_frames}")
        window = self if size is None else self.on(size)
        rows = [window.box_at(n / max(1, num_frames - 1)) for n in range(num_frames)]
        return torch.tensor(rows, dtype=torch.int64).reshape(num_frames, 4)

    def to_dict(self) -> dict[str, Any]:
        """All about the window, for JSON; the first and last box are there for readers without this class."""
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
            )
        except (KeyError, TypeError) as exc:
            raise ValueError(f"no record of a window: {values!r}") from exc
        for name, progress in (("first_box", 0), ("last_box", 1)):
            if tuple(values.get(name, window.box_at(progress))) != window.box_at(progress):
                raise ValueError(f"{name} {values[name]} is not the window's, {window.box_at(progress)}")
        return window

    def _kept(self, side: int, scale: float) -> int:
        return max(self.multiple, self._round(side * scale, most=side))

    def _round(self, pixels: float, *, most: int) -> int:
        """To the nearest multiple, halves up, not beyond ``most``."""
        steps = floor(pixels / self.multiple + 0.5)
        return min(steps, most // self.multiple) * self.multiple


def _pair(values: Any) -> Any:
    first, second = values
    return first, second
