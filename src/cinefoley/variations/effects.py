"""Effects on the pixels that a window shows: defocus, light, an occluder, and the bars of another format.

Effects are stated in fractions of the shown frame and in seconds, so that they are the same at any resolution
and frame rate.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Bars", "Defocus", "Effect", "Light", "Occluder", "effect_from_dict"]

_GAMMA = 2.2  # of sRGB, closely enough
_LUMA = (0.2126, 0.7152, 0.0722)  # of BT.709
_SOFT = 0.03  # width of an occluder's edge: it is too close to be in focus
_NOWHERE = (-2.0, -2.0, -1.0, -1.0)
_HIDDEN = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect(ABC):
    """A change of pixels over time, drawn once and then applied to every frame."""

    kind: ClassVar[str]
    """Its name in records."""

    @property
    @abstractmethod
    def is_varying(self) -> bool:
        """Whether it changes while the clip runs."""

    @abstractmethod
    def apply(
        self, frames: Tensor, times_s: Tensor, duration_s: float, shape: tuple[int, int] | None = None
    ) -> Tensor:
        """Apply it to frames.

        Args:
            frames: ``(N, 3, H, W)`` float32 in [0, 1].
            times_s: ``(N,)`` seconds since the clip's first frame.
            duration_s: Seconds from the clip's first frame to its last.
            shape: Height and width of the frames before they were squashed to this size; their own if None.

        Returns:
            A new tensor of the same shape.
        """

    def openings(self, times_s: NDArray[np.float64], duration_s: float) -> NDArray[np.float64] | None:
        """Where the shown frame stays visible, as disjoint boxes ``(K, N, 4)`` in fractions of it.

        Returns:
            ``(x0, y0, x1, y1)``; an opening that is closed at a time lies outside [0, 1]. None if all of the
            frame is visible.
        """
        return None

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Defocus(Effect):
    """Blur that comes or goes.

    Reading: a Gaussian stands for the disc of a lens; at the size that video encoders see they look alike.
    """

    kind: ClassVar[str] = "defocus"
    start: float
    """Standard deviation before the change, as a fraction of the frame's shorter side."""
    end: float
    """Standard deviation after it."""
    begin: float
    """When the change begins, as a fraction of the clip."""
    lasts_s: float
    """Seconds that it takes."""

    @property
    def is_varying(self) -> bool:
        """Whether start and end differ."""
        return self.start != self.end

    def apply(
        self, frames: Tensor, times_s: Tensor, duration_s: float, shape: tuple[int, int] | None = None
    ) -> Tensor:
        """Blur each frame by its own radius."""
        share = _smooth((times_s - self.begin * duration_s) / self.lasts_s)
        height, width = shape or (frames.shape[-2], frames.shape[-1])
        sigmas = (self.start + (self.end - self.start) * share) * min(height, width)
        down, across = (
            frames.shape[-2] / height,
            frames.shape[-1] / width,
        )  # round where squashed frames are not
        blurred = [
            _blur_rows(_blur_rows(frame, sigma * down).mT, sigma * across).mT
            for frame, sigma in zip(frames, sigmas.tolist(), strict=True)
        ]
        return torch.stack(blurred)


Profile = Literal["change", "flash", "constant"]
"""How light changes: smoothly to the new one, to it at once and back again, or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Light(Effect):
    """Other light: gains of the colours in linear light, and less colour."""

    kind: ClassVar[str] = "light"
    gains: tuple[float, float, float]
    """Factors of red, green and blue in linear light when the change is complete."""
    profile: Profile
    """How the light changes."""
    saturation: float = 1.0
    """Colour that is left, in [0, 1]."""
    begin: float = 0.0
    """When the change begins, as a fraction of the clip."""
    lasts_s: float = 1.0
    """Seconds that a change takes; that a flash takes to fall to 1/e."""

    def __post_init__(self) -> None:
        if self.profile not in get_args(Profile) or not min(self.gains) > 0:
            raise ValueError(f"no such light: {self.profile!r} with gains {self.gains}")

    @property
    def is_varying(self) -> bool:
        """Whether the light changes while the clip runs."""
        return self.profile != "constant"

    def apply(
        self, frames: Tensor, times_s: Tensor, duration_s: float, shape: tuple[int, int] | None = None
    ) -> Tensor:
        """Take colour away, then multiply linear light; what is overexposed is white."""
        share = self._share(times_s - self.begin * duration_s).to(frames)
        gains = torch.tensor(self.gains).to(frames) ** share[:, None]
        linear = frames.clamp(0, 1) ** _GAMMA
        kept = (1 + (self.saturation - 1) * share)[:, None, None, None]
        grey = (linear * torch.tensor(_LUMA).to(frames)[:, None, None]).sum(dim=1, keepdim=True)
        lit = (grey + (linear - grey) * kept) * gains[..., None, None]
        return lit.clamp(0, 1) ** (1 / _GAMMA)

    def _share(self, since_s: Tensor) -> Tensor:
        if self.profile == "constant":
            return torch.ones_like(since_s)
        if self.profile == "change":
            return _smooth(since_s / self.lasts_s)
        return torch.where(since_s < 0, 0.0, torch.exp(-since_s.clamp(min=0) / self.lasts_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Occluder(Effect):
    """Something out of focus that passes in front, from border to border and as high as the frame."""

    kind: ClassVar[str] = "occluder"
    width: float
    """As a fraction of the frame's width."""
    moves_right: bool
    """Whether it enters on the left."""
    begin: float
    """When it enters, as a fraction of the clip."""
    lasts_s: float
    """Seconds until it has left."""
    colour: tuple[float, float, float]
    """RGB in [0, 1]."""

    @property
    def is_varying(self) -> bool:
        """It always moves."""
        return True

    def apply(
        self, frames: Tensor, times_s: Tensor, duration_s: float, shape: tuple[int, int] | None = None
    ) -> Tensor:
        """Paint it over every frame."""
        left, right = (torch.from_numpy(x).to(frames) for x in self._edges(times_s.cpu().numpy(), duration_s))
        width = frames.shape[-1]
        columns = (torch.arange(width).to(frames) + 0.5) / width
        inside = torch.minimum(columns - left[:, None], right[:, None] - columns)
        cover = (inside / _SOFT + 0.5).clamp(0, 1)[:, None, None, :]
        colour = torch.tensor(self.colour).to(frames)[:, None, None]
        return frames * (1 - cover) + colour * cover

    def openings(self, times_s: NDArray[np.float64], duration_s: float) -> NDArray[np.float64] | None:
        """What is left of it, and what is right of it."""
        left, right = (np.clip(x, 0, 1) for x in self._edges(times_s, duration_s))
        zero, one = np.zeros_like(left), np.ones_like(left)
        # before it has entered and after it has left, one of the two is the whole frame
        return np.stack([_box(zero, zero, left, one), _box(right, zero, one, one)])

    def _edges(self, times_s: NDArray[np.float64], duration_s: float) -> tuple[Any, Any]:
        share = np.clip((times_s - self.begin * duration_s) / self.lasts_s, 0, 1)
        share = share if self.moves_right else 1 - share
        margin = _SOFT / 2
        left = -self.width - margin + share * (1 + self.width + 2 * margin)
        return left, left + self.width


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars(Effect):
    """Black bars above and below, or at the sides."""

    kind: ClassVar[str] = "bars"
    height: float = 0.0
    """Height of each of the two, as a fraction of the frame's, under 1/2."""
    width: float = 0.0
    """Width of each of the two, as a fraction of the frame's, under 1/2."""

    def __post_init__(self) -> None:
        if not (0 <= self.height < 0.5 and 0 <= self.width < 0.5):
            raise ValueError(f"bars must leave something of the frame, got {self.height} and {self.width}")

    @property
    def is_varying(self) -> bool:
        """It never changes."""
        return False

    def apply(
        self, frames: Tensor, times_s: Tensor, duration_s: float, shape: tuple[int, int] | None = None
    ) -> Tensor:
        """Darken the bars; a pixel at the edge is darkened in part."""
        rows, columns = (
            _uncovered(size, bar).to(frames)
            for size, bar in zip(frames.shape[-2:], (self.height, self.width), strict=True)
        )
        return frames * rows[:, None] * columns

    def openings(self, times_s: NDArray[np.float64], duration_s: float) -> NDArray[np.float64] | None:
        """The frame between the bars."""
        box = np.array([self.width, self.height, 1 - self.width, 1 - self.height])
        return np.broadcast_to(box, (1, len(times_s), 4)).copy()


def effect_from_dict(values: Mapping[str, Any]) -> Effect:
    """Build an effect from what :meth:`Effect.to_dict` returns, also after it was JSON.

    Raises:
        KeyError, TypeError, ValueError: If it is no record of an effect.
    """
    classes: dict[str, type[Effect]] = {each.kind: each for each in (Defocus, Light, Occluder, Bars)}
    kept = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name != "kind"}
    return classes[values["kind"]](**kept)


def _smooth(share: Tensor) -> Tensor:
    share = share.clamp(0, 1)
    return share * share * (3 - 2 * share)


def _blur_rows(frame: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of one frame ``(C, H, W)`` from row to row; the border rows are repeated."""
    radius = round(3 * sigma)
    if radius < 1:
        return frame
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1).to(frame) / sigma) ** 2)
    kernel = (kernel / kernel.sum())[None, None, :, None]
    padded = F.pad(frame[:, None], (0, 0, radius, radius), mode="replicate")
    return F.conv2d(padded, kernel)[:, 0]


def _uncovered(size: int, bar: float) -> Tensor:
    """Share ``(size,)`` of each row or column that bars at both ends leave visible."""
    edges = torch.arange(size + 1, dtype=torch.float64)
    inside = edges.clamp(bar * size, size - bar * size)
    return inside.diff()


def _box(x0: Any, y0: Any, x1: Any, y1: Any) -> NDArray[np.float64]:
    """Boxes ``(N, 4)``; empty ones lie outside the frame."""
    boxes = np.stack([x0, y0, x1, y1], axis=-1)
    is_empty = (boxes[:, 2] - boxes[:, 0] < _HIDDEN) | (boxes[:, 3] - boxes[:, 1] < _HIDDEN)
    return np.asarray(np.where(is_empty[:, None], np.array(_NOWHERE), boxes))
