"""Delivery: grain, exposure, grade, compression, repeated frames and black bars of a clip's frames."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.canvas import Point
from cinefoley.stage.distribution import DELIVERY

__all__ = ["UNTOUCHED", "Delivery", "Drift", "Finisher", "Grade", "draw_delivery"]

_LUMA = np.array([0.299, 0.587, 0.114])
_GRAIN_SIDE = 64  # a grain tile is this much larger than a frame, so that its place can vary
_MID = 128.0


@dataclass(frozen=True, slots=True)
class Drift:
    """A quantity that swings slowly about 1."""

    share: float
    period_s: float
    phase: float

    def at(self, time_s: float) -> float:
        """Its value."""
        return 1 + self.share * math.sin(2 * math.pi * (time_s / self.period_s + self.phase))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A colour grade."""

    contrast: float = 1.0
    gamma: float = 1.0
    saturation: float = 1.0
    tone: Point = (0.0, 0.0)
    """Grey levels by which red and blue are raised in the shadows and lowered in the highlights."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Delivery:
    """What happens to a clip between lens and file."""

    grain: float = 0.0
    """Standard deviation of the grain in grey levels."""
    grain_seed: int = 0
    exposure: Drift | None = None
    warmth: Drift | None = None
    """Gain of red; its inverse is that of blue."""
    grade: Grade | None = None
    quality: int | None = None
    """JPEG quality that stands for a low bit rate."""
    rate: float | None = None
    """Frames per second of the source; None for a frame at every instant."""
    picture: Point = (1.0, 1.0)
    """Shares of the frame's width and height that the picture takes; the rest are black bars."""

    @property
    def area(self) -> NDArray[np.float64]:
        """Where the picture lies in the frame, ``(x0, y0, x1, y1)``."""
        across, down = self.picture
        return np.array([1 - across, 1 - down, 1 + across, 1 + down]) / 2

    def shown_times(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """The instants ``(T,)`` at which the frames on screen at ``times_s`` were taken."""
        if self.rate is None:
            return times_s
        return np.asarray(np.floor(times_s * self.rate + 1e-6) / self.rate)

    def cover(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes ``(T, 4)`` of the picture as fractions of the frame; black bars hide what is behind them."""
        if self.picture == (1.0, 1.0):
            return boxes
        low, high = self.area[:2], self.area[2:]
        placed = np.tile(low, 2) + boxes * np.tile(high - low, 2)
        return np.clip(placed, np.tile(low, 2), np.tile(high, 2)).astype(np.float32)

    def uncover(self, windows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Windows ``(T, 4)`` of the frame as fractions of the picture."""
        if self.picture == (1.0, 1.0):
            return windows
        low, high = self.area[:2], self.area[2:]
        return np.asarray((windows - np.tile(low, 2)) / np.tile(high - low, 2))


UNTOUCHED = Delivery()
"""Frames as the lens gives them."""


class Finisher:
    """Applies grade, vignette, grain, bars and compression to the frames of one clip.

    Args:
        delivery: What is applied.
        vignette: How much darker the picture's corners are than its middle.
        size: Height and width of the frames in pixels.
    """

    def __init__(self, delivery: Delivery, vignette: float, size: tuple[int, int]) -> None:
        self._delivery = delivery
        self._vignette = vignette
        self._size = size
        self._window: NDArray[np.float64] | None = None
        self._mask: NDArray[np.float32] | None = None
        self._grain = _draw_grain(delivery, size)

    def finish(
        self, frame: NDArray[np.uint8], time_s: float, window: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """The frame ``(H, W, 3)`` as the file holds it.

        Args:
            frame: As the lens gives it.
            time_s: When it was taken.
            window: What it shows of the picture, ``(x0, y0, x1, y1)``.
        """
        delivery = self._delivery
        frame = self._develop(frame, time_s)
        if self._vignette > 0:
            frame = _uint8(cv2.multiply(frame, self._vignette_of(window), dtype=cv2.CV_8U))
        if self._grain is not None:
            frame = _uint8(cv2.add(frame, self._grain_at(self._grain, time_s), dtype=cv2.CV_8U))
        if delivery.picture != (1.0, 1.0):
            frame = self._add_bars(frame, window)
        if delivery.quality is not None:
            settings = [cv2.IMWRITE_JPEG_QUALITY, delivery.quality]
            frame = _uint8(cv2.imdecode(cv2.imencode(".jpg", frame, settings)[1], cv2.IMREAD_UNCHANGED))
        return frame

    def _develop(self, frame: NDArray[np.uint8], time_s: float) -> NDArray[np.uint8]:
        """Saturation, then exposure, white balance, contrast, gamma and tone as one table per channel."""
        delivery, grade = self._delivery, self._delivery.grade
        if grade is None and delivery.exposure is None and delivery.warmth is None:
            return frame
        if grade is not None and grade.saturation != 1.0:
            mixed = np.eye(3) * grade.saturation + (1 - grade.saturation) * _LUMA
            frame = np.asarray(cv2.transform(frame, mixed), np.uint8)
        exposure = 1.0 if delivery.exposure is None else delivery.exposure.at(time_s)
        warmth = 1.0 if delivery.warmth is None else delivery.warmth.at(time_s)
        gains = exposure * np.array([warmth, 1.0, 1 / warmth])
        levels = np.arange(256)[:, None] * gains
        if grade is not None:
            levels = _MID + grade.contrast * (levels - _MID)
            levels = 255 * (np.clip(levels, 0, 255) / 255) ** grade.gamma
            red, blue = grade.tone
            levels = levels + (1 - levels / _MID) * np.array([red, 0.0, blue])
        table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return np.asarray(cv2.LUT(frame, table[None]), np.uint8)

    def _vignette_of(self, window: NDArray[np.float64]) -> NDArray[np.float32]:
        if self._mask is None or self._window is None or not np.array_equal(window, self._window):
            height, width = self._size
            x0, y0, x1, y1 = (2 * window - 1).tolist()
            x = x0 + (x1 - x0) * (np.arange(width) + 0.5) / width
            y = y0 + (y1 - y0) * (np.arange(height) + 0.5) / height
            mask = 1 - self._vignette * np.clip((y[:, None] ** 2 + x[None] ** 2) / 2, 0, 1)
            self._mask, self._window = cv2.merge([mask.astype(np.float32)] * 3), window.copy()
        return self._mask

    def _grain_at(self, grain: NDArray[np.int16], time_s: float) -> NDArray[np.int16]:
        """A part of the grain that looks random from frame to frame, and is the same in repeated frames."""
        height, width = self._size
        tick = round(time_s * 1000) * 2654435761 + self._delivery.grain_seed
        y, x = (tick >> 8) % _GRAIN_SIDE, (tick >> 16) % _GRAIN_SIDE
        return grain[y : y + height, x : x + width]

    def _add_bars(self, frame: NDArray[np.uint8], window: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Black where the window reaches beyond the picture."""
        height, width = self._size
        x0, y0, x1, y1 = window.tolist()
        left, right = (round((edge - x0) / (x1 - x0) * width) for edge in (0, 1))
        top, bottom = (round((edge - y0) / (y1 - y0) * height) for edge in (0, 1))
        barred = np.zeros_like(frame)
        part = slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right))
        barred[part] = frame[part]
        return barred


def _uint8(image: object) -> NDArray[np.uint8]:
    return np.asarray(image, np.uint8)


def _draw_grain(delivery: Delivery, size: tuple[int, int]) -> NDArray[np.int16] | None:
    if delivery.grain <= 0:
        return None
    rng = np.random.default_rng(delivery.grain_seed)
    noise = rng.normal(0, delivery.grain, (size[0] + _GRAIN_SIDE, size[1] + _GRAIN_SIDE, 1))
    return np.repeat(np.rint(noise), 3, axis=2).astype(np.int16)


def draw_delivery(rng: np.random.Generator) -> Delivery:
    """Draw a delivery as :mod:`cinefoley.stage.distribution` says."""
    has = dict(
        zip(
            ("grain", "exposure", "warmth", "grade", "compression", "repeats", "bars"),
            (
                rng.random(7)
                < (
                    DELIVERY.grain,
                    DELIVERY.exposure,
                    DELIVERY.white_balance,
                    DELIVERY.grade,
                    DELIVERY.compression,
                    DELIVERY.repeats,
                    DELIVERY.bars,
                )
            ).tolist(),
            strict=True,
        )
    )
    stops = 2 ** DELIVERY.exposure_stops.draw(rng) - 1
    exposure = Drift(stops, DELIVERY.drift_s.draw(rng), float(rng.random()))
    warmth = Drift(DELIVERY.white_balance_share.draw(rng), DELIVERY.drift_s.draw(rng), float(rng.random()))
    grade, picture = _draw_grade(rng), _draw_picture(rng)
    return Delivery(
        grain=DELIVERY.grain_level.draw(rng) if has["grain"] else 0.0,
        grain_seed=int(rng.integers(2**31)),
        exposure=exposure if has["exposure"] else None,
        warmth=warmth if has["warmth"] else None,
        grade=grade if has["grade"] else None,
        quality=round(DELIVERY.quality.draw(rng)) if has["compression"] else None,
        rate=DELIVERY.rates[int(rng.integers(len(DELIVERY.rates)))] if has["repeats"] else None,
        picture=picture if has["bars"] else (1.0, 1.0),
    )


def _draw_grade(rng: np.random.Generator) -> Grade:
    is_monochrome = rng.random() < DELIVERY.monochrome
    return Grade(
        contrast=DELIVERY.contrast.draw(rng),
        gamma=DELIVERY.gamma.draw(rng),
        saturation=DELIVERY.saturation.draw(rng) * (not is_monochrome),
        tone=(
            DELIVERY.tone.draw(rng) * float(rng.choice((-1, 1))),
            DELIVERY.tone.draw(rng) * float(rng.choice((-1, 1))),
        ),
    )


def _draw_picture(rng: np.random.Generator) -> Point:
    share = 1 - DELIVERY.bars_share.draw(rng)
    return (share, 1.0) if rng.random() < DELIVERY.pillars else (1.0, share)
