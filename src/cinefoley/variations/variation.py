"""Base class of all variations: ``draw`` a window at random, then ``apply`` it."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from cinefoley.variations.cropping import frame_size
from cinefoley.variations.showing import show
from cinefoley.variations.window import Kind, Window

__all__ = ["Variation", "draw_uniform", "within"]


@dataclass(frozen=True, slots=True)
class Variation(ABC):
    """A way to film a clip: a window is drawn once, then all frames of the clip are shown through it.

    A new one is a frozen dataclass in a module of its own, with a ``kind`` and a ``draw``. Its kind goes into
    :data:`~cinefoley.variations.window.Kind`.
    """

    kind: ClassVar[Kind]
    """Its name in windows, records and test sets."""
    _least_s: ClassVar[float] = 0.0

    @property
    def least_s(self) -> float:
        """Seconds that a video must have for it."""
        return self._least_s

    @abstractmethod
    def draw(self, size: tuple[int, int], *, generator: torch.Generator | None = None) -> Window:
        """Draw a window; the only place where chance comes in.

        Args:
            size: Height and width of the frames in pixels, before any resize.
            generator: Source of every draw, on the CPU: the same seed gives the same window on every machine.
                None draws from the operating system's entropy; PyTorch's global state is never touched.

        Returns:
            The window.

        Raises:
            ValueError: If the frames have no pixels, or the generator is on another device.
        """

    def describe(self) -> dict[str, Any]:
        """Kind and settings, for JSON records."""
        return {"variation": self.kind, **asdict(self)}

    def apply(self, video: Tensor, window: Window) -> Tensor:
        """Show every frame through a drawn window: :func:`~cinefoley.variations.showing.show`.

        Args:
            video: Frames, ``(..., T, C, H, W)``; floating ones in [0, 1] where the window has effects.
            window: Drawn for their height and width.

        Returns:
            ``(..., T, C, H', W')``.

        Raises:
            ValueError: If window and frames do not fit.
        """
        return show(video, window)

    def __call__(self, video: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw one window for all of ``video`` and show the frames through it.

        Args:
            video: Frames, ``(..., T, C, H, W)``, any dtype and device, before the encoder's square resize.
            generator: As for :meth:`draw`.

        Returns:
            ``(..., T, C, H', W')``.

        Raises:
            ValueError: If there are too few frames for a movement.
        """
        return self.apply(video, self.draw(frame_size(video), generator=generator))


def within(values: tuple[float, float], number: float) -> float:
    """Turn a number of [0, 1) into one of a range; rounding cannot carry it out of the range."""
    low, high = values
    return min(low + (high - low) * number, high)


def draw_uniform(count: int, generator: torch.Generator | None) -> list[float]:
    """Draw numbers from [0, 1), in float64 on the CPU, so that no device and no dtype changes them.

    Raises:
        ValueError: If the generator is on another device.
    """
    if generator is None:
        generator = torch.Generator()
        generator.seed()
    if generator.device.type != "cpu":
        raise ValueError(
            f"windows are drawn on the CPU, so that every machine draws the same: make the generator with "
            f"torch.Generator(), not on {generator.device}"
        )
    numbers: list[float] = torch.rand(count, dtype=torch.float64, generator=generator).tolist()
    return numbers
