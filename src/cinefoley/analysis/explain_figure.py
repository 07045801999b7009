"""Draw Figure 6: heat maps over frames, and waveform and spectrogram of every sound below them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from cinefoley.analysis.explanation import Explanation
from cinefoley.analysis.figure_rows import (
    NAME_IN,
    SPECTRUM_IN,
    WAVE_IN,
    draw_sounds,
    draw_strip,
    finish_time_axis,
    inner_width,
    label_row,
    mark_moments,
    stack_rows,
)
from cinefoley.analysis.style import COLUMN_IN, HEAT, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_explanation", "overlay", "side_by_side", "warmest_of"]

_OPACITY = 0.7  # of the hottest spots; below them the frame shows through


def draw_explanation(
    explanation: Explanation, *, columns: int = 6, events_s: Sequence[float] = (), width_in: float = COLUMN_IN
) -> "Figure":
    """Figure 6: frames under every encoder's heat, then waveform and spectrogram of every sound.

    Args:
        explanation: What is drawn.
        columns: Frames across, each the warmest of its share of the time; a white triangle under each stands
            at its time. A short clip shows fewer.
        events_s: Moments to mark in the sounds, in seconds.
        width_in: Inches across.
    """
    columns = min(columns, len(explanation.frames))
    height, width = explanation.frames.shape[-2:]
    strip_in = inner_width(width_in) / columns * height / width
    duration_s = explanation.duration_s
    with styled():
        sounds_in = [NAME_IN, WAVE_IN, SPECTRUM_IN] * len(explanation.sounds)
        figure, axes = stack_rows([strip_in] * len(explanation.heats) + sounds_in, width_in=width_in)
        strips, others = axes[: len(explanation.heats)], axes[len(explanation.heats) :]
        picked = _warmest(explanation, columns)
        for ax, (name, heat) in zip(strips, explanation.heats.items(), strict=True):
            images = overlay(explanation.frames[picked], heat[picked], most=warmest_of(heat))
            draw_strip(ax, list(images), duration_s=duration_s)
            mark_moments(ax, (picked + 0.5) / explanation.fps)
            label_row(ax, f"{name} looks at")
        for _, waveform in draw_sounds(others, explanation):
            for time_s in events_s:
                waveform.axvline(time_s, color="black", linewidth=0.5, linestyle=":")
        finish_time_axis(axes, duration_s=duration_s, label=f"seconds; heat: {explanation.explained}")
    return figure


def overlay(frames: Tensor, heat: Tensor, *, most: float) -> NDArray[np.uint8]:
    """Lay heat over grey frames.

    Args:
        frames: ``(T, 3, H, W)`` uint8.
        heat: ``(T, h, w)``, 0 or more.
        most: The heat of the warmest colour; 0 leaves the frames grey.

    Returns:
        ``(T, H, W, 3)``.
    """
    import matplotlib as mpl

    size = (frames.shape[-2], frames.shape[-1])
    scaled = heat / most if most > 0 else torch.zeros_like(heat)
    smooth = F.interpolate(scaled[:, None], size, mode="bilinear", align_corners=False)[:, 0].clamp(0, 1)
    warm = np.asarray(mpl.colormaps[HEAT](smooth.numpy()), dtype=np.float32)[..., :3]
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey = (frames.float() / 255 * weights).sum(dim=1).numpy()[..., None]
    opacity = _OPACITY * smooth.numpy()[..., None]
    blended = (1 - opacity) * grey + opacity * warm
    pixels: NDArray[np.uint8] = (blended * 255).round().astype(np.uint8)
    return pixels


def side_by_side(explanation: Explanation) -> Tensor:
    """Every frame under every encoder's heat, the first at the left: ``(T, 3, H, encoders * W)`` uint8."""
    rows = [overlay(explanation.frames, heat, most=warmest_of(heat)) for heat in explanation.heats.values()]
    return torch.from_numpy(np.concatenate(rows, axis=2)).permute(0, 3, 1, 2).contiguous()


def warmest_of(heat: Tensor) -> float:
    """What is drawn in the warmest colour: all but the hottest hundredth of a clip lies below it.

    Each encoder has its own, for gradients of two networks have no common scale.
    """
    return float(heat.quantile(0.99))


def _warmest(explanation: Explanation, columns: int) -> NDArray[np.int64]:
    """The frame of each share of the time that is warmest, all encoders taken together."""
    warmth = torch.zeros(len(explanation.frames))
    for heat in explanation.heats.values():
        warmth += heat.mean(dim=(1, 2)) / max(float(heat.mean()), 1e-12)
    shares = np.array_split(np.arange(len(warmth)), columns)
    return np.array([share[int(warmth[share].argmax())] for share in shares])
