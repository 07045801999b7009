"""Explanations drawn: heat over frames, and under them the sounds, all on one axis of time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from cinefoley.analysis.explaining import Explanation
from cinefoley.analysis.style import COLUMN_IN, HEAT, SPECTRUM, color_of, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_explanation", "overlay", "side_by_side", "warmest_of"]

_WAVE_IN, _SPECTRUM_IN, _GAP_IN, _FOOT_IN, _SIDE_IN = 0.22, 0.34, 0.04, 0.3, 0.06
_STRETCHES = 800
_OPACITY = 0.7  # of the warmest spots; below them the picture shows through


def draw_explanation(
    explanation: Explanation, *, columns: int = 6, events_s: Sequence[float] = (), width_in: float = COLUMN_IN
) -> "Figure":
    """Figure 6: frames under every encoder's heat, then waveform and spectrogram of every sound.

    Args:
        explanation: What is drawn.
        columns: Frames across, each the warmest of its share of the time. A short film shows fewer.
        events_s: Moments to mark in the sounds, in seconds.
        width_in: Inches across.
    """
    from matplotlib.figure import Figure

    columns = min(columns, len(explanation.frames))
    height, width = explanation.frames.shape[-2:]
    inner_in = width_in - 2 * _SIDE_IN
    strip_in = inner_in / columns * height / width
    rows = [strip_in] * len(explanation.heats) + [_WAVE_IN, _SPECTRUM_IN] * len(explanation.sounds)
    total_in = sum(rows) + _GAP_IN * (len(rows) + 1) + _FOOT_IN
    span = (0.0, explanation.duration_s)
    with styled():
        figure = Figure(figsize=(width_in, total_in))
        top, axes = total_in - _GAP_IN, []
        for row_in in rows:
            top -= row_in
            place = (_SIDE_IN / width_in, top / total_in, inner_in / width_in, row_in / total_in)
            axes.append(figure.add_axes(place))
            top -= _GAP_IN
        strips, others = axes[: len(explanation.heats)], axes[len(explanation.heats) :]
        picked = _warmest(explanation, columns)
        for ax, (name, heat) in zip(strips, explanation.heats.items(), strict=True):
            pictures = overlay(explanation.frames[picked], heat[picked], most=warmest_of(heat))
            ax.imshow(np.concatenate(list(pictures), axis=1), extent=(*span, 0, 1), aspect="auto")
            for edge in np.linspace(*span, columns + 1)[1:-1]:
                ax.axvline(edge, color="white", linewidth=0.5)
            _label(ax, f"{name} looks at")
        pairs = zip(others[::2], others[1::2], explanation.sounds.items(), strict=True)
        for wave, spectrum, (name, sound) in pairs:
            low, high = _envelope(sound)
            times = np.linspace(0, len(sound) / explanation.sample_rate, len(low))
            wave.fill_between(times, low, high, color=color_of(name), linewidth=0.3)
            most = max(float(high.max(initial=0)), -float(low.min(initial=0)), 1e-3)
            wave.set(ylim=(-most, most))
            spectrum.imshow(
                explanation.mels[name].clamp(0, 1).numpy(),
                extent=(*span, 0, 1),
                aspect="auto",
                origin="lower",
                cmap=SPECTRUM,
                vmin=0,
                vmax=1,
            )
            for time_s in events_s:
                wave.axvline(time_s, color="black", linewidth=0.5, linestyle=":")
            _label(wave, f"{name} sound" if name == "real" else f"sound by {name}")
        for ax in axes:
            ax.set(xlim=span, yticks=[], xticks=[])
        axes[-1].set_xticks(np.arange(0, span[1], max(1, round(span[1] / 8))))
        axes[-1].set_xlabel(f"seconds; heat: {explanation.explained}", labelpad=1)
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
    films = [overlay(explanation.frames, heat, most=warmest_of(heat)) for heat in explanation.heats.values()]
    return torch.from_numpy(np.concatenate(films, axis=2)).permute(0, 3, 1, 2).contiguous()


def warmest_of(heat: Tensor) -> float:
    """What is drawn in the warmest colour: all but the hottest hundredth of a clip lies below it.

    Each encoder has its own, for gradients of two networks have no common scale.
    """
    return float(heat.quantile(0.99))


def _envelope(sound: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest sample of each of 800 stretches: all that a column's width can show."""
    parts = [part for part in np.array_split(sound.numpy(), _STRETCHES) if len(part)]
    low, high = (np.array([choose(part) for part in parts], dtype=np.float32) for choose in (np.min, np.max))
    return low, high


def _warmest(explanation: Explanation, columns: int) -> NDArray[np.int64]:
    """The frame of each share of the time that is warmest, all encoders taken together."""
    warmth = torch.zeros(len(explanation.frames))
    for heat in explanation.heats.values():
        warmth += heat.mean(dim=(1, 2)) / max(float(heat.mean()), 1e-12)
    shares = np.array_split(np.arange(len(warmth)), columns)
    return np.array([share[int(warmth[share].argmax())] for share in shares])


def _label(ax: "Axes", text: str) -> None:
    """Write a name into the upper left corner."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    ax.text(0.004, 0.95, text, transform=ax.transAxes, fontsize=5, ha="left", va="top", bbox=box)
