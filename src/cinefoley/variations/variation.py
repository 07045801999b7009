"""Base class of all variations: ``draw`` a window at random, then ``apply`` it."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from cinefoley.variations.cropping import crop, frame_size
from cinefoley.variations.window import Kind, Window

__all__ = ["Variation", "draw_uniform"]


@dataclass(frozen=True, slots=True)
class Variation(ABC):
    """A way to show part of a clip: a window is drawn once, then cropped from all frames of the clip.

    A new one is a frozen dataclass in a module of its own, with a ``kind`` and a ``draw``. Its kind goes into
    :data:`~cinefoley.variations.window.Kind`.
    """

    kind: ClassVar[Kind]
    """Its name in windows, records and test sets."""

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
        """Cut a drawn window out of every frame: :func:`~cinefoley.variations.cropping.crop`.

        Args:
            video: Frames, ``(..., T, C, H, W)``.
            window: Drawn for their height and width.

        Returns:
            ``(..., T, C, H', W')``.

        Raises:
            ValueError: If window and frames do not fit.
        """
        return crop(video, window)

    def __call__(self, video: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw one window for all of ``video`` and cut it out.

        Args:
            video: Frames, ``(..., T, C, H, W)``, any dtype and device, before the encoder's square resize.
            generator: As for :meth:`draw`.

        Returns:
            ``(..., T, C, H', W')``.

        Raises:
            ValueError: If there are too few frames for a movement.
        """
        return self.apply(video, self.draw(frame_size(video), generator=generator))


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
