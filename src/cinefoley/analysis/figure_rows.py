"""Rows of figures: strips of frames, waveforms and spectrograms on a common time axis."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.analysis.style import SPECTRUM, color_of
from cinefoley.analysis.window_takes import WindowTakes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "NAME_IN",
    "SPECTRUM_IN",
    "WAVE_IN",
    "draw_sounds",
    "draw_strip",
    "finish_time_axis",
    "inner_width",
    "label_row",
    "mark_moments",
    "stack_rows",
]

NAME_IN, WAVE_IN, SPECTRUM_IN = 0.07, 0.22, 0.34
"""Heights of a sound's name, waveform and spectrogram, in inches."""

_GAP_IN, _FOOT_IN, _SIDE_IN = 0.04, 0.3, 0.06
_STRETCHES = 800


def stack_rows(
    heights_in: Sequence[float], *, width_in: float, foot_in: float = _FOOT_IN
) -> "tuple[Figure, list[Axes]]":
    """A figure with one row of axes under another, all equally wide.

    Args:
        heights_in: Of the rows in inches, from the top.
        width_in: Of the figure.
        foot_in: Free under the last row, for its axis.
    """
    from matplotlib.figure import Figure

    total_in = sum(heights_in) + _GAP_IN * (len(heights_in) + 1) + foot_in
    figure, axes, top = Figure(figsize=(width_in, total_in)), [], total_in - _GAP_IN
    for height_in in heights_in:
        top -= height_in
        inner = inner_width(width_in) / width_in
        axes.append(figure.add_axes((_SIDE_IN / width_in, top / total_in, inner, height_in / total_in)))
        top -= _GAP_IN
    return figure, axes


def inner_width(width_in: float) -> float:
    """What a figure's margins leave of its width, in inches."""
    return width_in - 2 * _SIDE_IN


def draw_strip(ax: "Axes", images: Sequence[NDArray[np.uint8]], *, duration_s: float) -> None:
    """Frames ``(H, W, 3)`` side by side over all of the time."""
    ax.imshow(np.concatenate(list(images), axis=1), extent=(0.0, duration_s, 0, 1), aspect="auto")
    for edge in np.linspace(0.0, duration_s, len(images) + 1)[1:-1]:
        ax.axvline(edge, color="white", linewidth=0.5)


def mark_moments(ax: "Axes", times_s: Sequence[float] | NDArray[np.floating[Any]]) -> None:
    """White triangles at the foot of a strip of frames."""
    ax.plot(
        times_s,
        [0.0] * len(times_s),
        marker="^",
        markersize=2.5,
        linestyle="none",
        color="white",
        markeredgecolor="black",
        markeredgewidth=0.3,
        clip_on=False,
        zorder=5,
    )
    ax.set_ylim(0, 1)


def draw_sounds(
    axes: Sequence["Axes"], window_takes: WindowTakes, *, remarks: Mapping[str, str] | None = None
) -> "list[tuple[str, Axes]]":
    """Draw every sound: its name, its waveform, its spectrogram.

    The loudest sample of all is as high as its row, so that the waveforms compare.

    Args:
        axes: Three for each sound: :data:`NAME_IN`, :data:`WAVE_IN` and :data:`SPECTRUM_IN` high.
        window_takes: The sounds.
        remarks: Text behind a sound's name.

    Returns:
        The sounds' names, and the axes of their waveforms.
    """
    found = []
    loudest = max(
        (float(sound.abs().max()) for sound in window_takes.sounds.values() if len(sound)), default=0.0
    )
    for number, (name, sound) in enumerate(window_takes.sounds.items()):
        title, waveform, spectrum = axes[3 * number : 3 * number + 3]
        title.set_axis_off()
        text = "real sound" if name == "real" else f"sound by {name}"
        remark = (remarks or {}).get(name)
        title.text(0, 0, text + (f": {remark}" if remark else ""), fontsize=5, va="bottom")
        _draw_waveform(waveform, sound, window_takes.sample_rate, name)
        waveform.set_ylim(-max(loudest, 1e-3), max(loudest, 1e-3))
        spectrum.imshow(
            window_takes.mels[name].clamp(0, 1).numpy(),
            extent=(0.0, window_takes.duration_s, 0, 1),
            aspect="auto",
            origin="lower",
            cmap=SPECTRUM,
            vmin=0,
            vmax=1,
        )
        found.append((name, waveform))
    return found


def label_row(ax: "Axes", text: str) -> None:
    """Write a name over a row's upper left corner."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    ax.text(0.004, 0.95, text, transform=ax.transAxes, fontsize=5, ha="left", va="top", bbox=box, zorder=5)


def finish_time_axis(axes: Sequence["Axes"], *, duration_s: float, label: str) -> None:
    """One span of time for all rows, and seconds under the last."""
    for ax in axes:
        ax.set(xlim=(0.0, duration_s), yticks=[], xticks=[])
    axes[-1].set_xticks(np.arange(0, duration_s, max(1, round(duration_s / 8))))
    axes[-1].set_xlabel(label, labelpad=1, fontsize=6)


def _draw_waveform(ax: "Axes", sound: Tensor, sample_rate: int, name: str) -> None:
    low, high = _envelope(sound)
    times = np.linspace(0, len(sound) / sample_rate, len(low))
    ax.fill_between(times, low, high, color=color_of(name), linewidth=0.3)


def _envelope(sound: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest sample of each of 800 stretches: all that a column's width can show."""
    parts = [part for part in np.array_split(sound.numpy(), _STRETCHES) if len(part)]
    low, high = (np.array([choose(part) for part in parts], dtype=np.float32) for choose in (np.min, np.max))
    return low, high
