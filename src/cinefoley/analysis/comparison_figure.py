"""Draw Figure 4: frames of a view, and waveforms and spectrograms of real sound and takes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cinefoley.analysis.comparison import Comparison
from cinefoley.analysis.figure_rows import (
    NAME_IN,
    SPECTRUM_IN,
    WAVE_IN,
    draw_sounds,
    draw_strip,
    finish_time_axis,
    inner_width,
    label_row,
    stack_rows,
)
from cinefoley.analysis.style import COLUMN_IN, styled
from cinefoley.evaluation.views import VIEW_NAMES
from cinefoley.metrics.onsets import OnsetCounts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_comparison"]

_TITLES = {**VIEW_NAMES, "close_up": "close-up", "camera_movement": "camera movement"}
_TITLE_IN = 0.13
_DIMMED = 0.4  # of the brightness outside what the camera shows
_EDGE = 3  # pixels of the line around it


def draw_comparison(
    comparisons: Sequence[Comparison], *, columns: int = 6, width_in: float = COLUMN_IN
) -> "Figure":
    """Draw views one below another: the whole frames, what the window shows of them, and the sounds.

    Every frame is the middle one of its share of the time. Events are triangles on the waveforms, filled
    where the frame shows them; times when the target is off-screen are grey.

    Source: paper, Figure 4.

    Args:
        comparisons: Of one clip or several; one or more.
        columns: Frames across; a short clip shows fewer.
        width_in: Inches across.

    Raises:
        ValueError: If there is nothing to draw.
        ImportError: If matplotlib is missing.
    """
    if not comparisons:
        raise ValueError("comparisons must hold one at least")
    groups = [_heights(comparison, columns, width_in) for comparison in comparisons]
    with styled():
        figure, axes = stack_rows([height for group in groups for height in group], width_in=width_in)
        for comparison, group in zip(comparisons, groups, strict=True):
            rows, axes = axes[: len(group)], axes[len(group) :]
            _draw(rows, comparison, columns)
            is_last = comparison is comparisons[-1]
            label = "seconds" + (_legend(comparisons) if is_last else "")
            finish_time_axis(rows, duration_s=comparison.duration_s, label=label if is_last else "")
            if not is_last:
                rows[-1].set_xticks([])
    return figure


def _heights(comparison: Comparison, columns: int, width_in: float) -> list[float]:
    share_in = inner_width(width_in) / min(columns, len(comparison.frames))
    strips = [images.shape[-2] / images.shape[-1] * share_in for images in _strips(comparison)]
    return [_TITLE_IN, *strips, *[NAME_IN, WAVE_IN, SPECTRUM_IN] * len(comparison.sounds)]


def _strips(comparison: Comparison) -> list[Tensor]:
    """The whole frames, dimmed outside the window, unless nothing is; and what the window shows."""
    if comparison.view == "full":
        return [comparison.frames]
    height, width = comparison.whole.shape[-2:]
    boxes = (comparison.boxes * torch.tensor([width, height, width, height])).round().long()
    scene = comparison.whole.clone()
    for frame, image, (x0, y0, x1, y1) in zip(scene, comparison.whole, boxes.tolist(), strict=True):
        frame.copy_(image * _DIMMED)
        frame[:, y0:y1, x0:x1] = 255
        inside = (..., slice(y0 + _EDGE, y1 - _EDGE), slice(x0 + _EDGE, x1 - _EDGE))
        frame[inside] = image[inside]
    return [scene, comparison.frames]


def _draw(rows: Sequence["Axes"], comparison: Comparison, columns: int) -> None:
    title, *others = rows
    title.set_axis_off()
    title.text(0, 0, _TITLES[comparison.view], va="bottom", fontweight="bold")
    shares = np.array_split(np.arange(len(comparison.frames)), min(columns, len(comparison.frames)))
    middles = [int(share[len(share) // 2]) for share in shares]
    strips = _strips(comparison)
    names = ["the scene", "the camera shows"][-len(strips) :]
    for ax, images, name in zip(others, strips, names, strict=False):
        draw_strip(ax, list(images[middles].permute(0, 2, 3, 1).numpy()), duration_s=comparison.duration_s)
        label_row(ax, name)
    remarks = {name: _count_text(counts) for name, counts in comparison.counts.items()}
    for _, waveform in draw_sounds(others[len(strips) :], comparison, remarks=remarks):
        _mark(waveform, comparison)


def _mark(ax: "Axes", comparison: Comparison) -> None:
    events = comparison.events
    if events is None:
        return
    for begin_s, end_s in np.asarray([] if events.off_screen is None else events.off_screen).reshape(-1, 2):
        ax.axvspan(begin_s, end_s, color="0.85", linewidth=0, zorder=0)
    for is_visible in (True, False):
        times = events.times[events.is_visible == is_visible]
        ax.plot(
            times[times < comparison.duration_s],
            [0.97] * int((times < comparison.duration_s).sum()),
            transform=ax.get_xaxis_transform(),
            marker="v",
            markersize=3,
            linestyle="none",
            markeredgecolor="black",
            markeredgewidth=0.4,
            markerfacecolor="black" if is_visible else "white",
            clip_on=False,
            zorder=5,
        )


def _count_text(counts: OnsetCounts) -> str:
    shown = counts.hits + counts.missed
    return f"{counts.hits} of {shown} visible events, {counts.extra} extra"


def _legend(comparisons: Sequence[Comparison]) -> str:
    known = [c.events for c in comparisons if c.events is not None]
    if not known:
        return ""
    text = "; events: filled if visible"
    if not all(bool(events.is_visible.all()) for events in known):
        text += ", hollow if not"
    if any(events.off_screen is not None and len(events.off_screen) for events in known):
        text += "; grey: target off-screen"
    return text
