"""Windows of a long video: place them, and cross-fade their sounds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

__all__ = ["OVERLAP_S", "CrossFader", "WindowPlan", "plan_shots", "plan_windows"]

OVERLAP_S = 1.0
"""Minimum overlap of neighbouring windows, and length of their cross-fades, in seconds."""

_RAMP = 80  # samples at a cut: 5 ms at 16 kHz


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """Windows of a video, in samples of its sound."""

    starts: tuple[int, ...]
    """First sample of each window, evenly spaced; the last window ends with the video."""
    window: int
    """Samples in a window."""
    total: int
    """Samples in the video."""
    fade: int
    """Samples of each cross-fade, in the middle of the overlap of two windows."""
    shot_ends: tuple[int, ...] = ()
    """For each window the sample at which its shot ends; empty if the video is one shot."""

    def __len__(self) -> int:
        return len(self.starts)

    def end(self, index: int) -> int:
        """Sample at which the shot of window ``index`` ends."""
        return self.shot_ends[index] if self.shot_ends else self.total

    def is_cut(self, index: int) -> bool:
        """Whether window ``index`` begins another shot than window ``index - 1`` ends."""
        return index > 0 and self.end(index) != self.end(index - 1)

    def shots(self) -> list[tuple[int, int]]:
        """First sample and end of every shot; of the whole video where it is one shot."""
        ends = sorted(set(self.shot_ends)) or [self.total]
        return list(pairwise([0, *ends]))

    def joint(self, index: int) -> int:
        """First sample of the cross-fade from window ``index - 1`` to window ``index``; or the cut."""
        if self.is_cut(index):
            return self.starts[index]
        overlap = self.starts[index - 1] + self.window - self.starts[index]
        return self.starts[index] + (overlap - self.fade) // 2


def plan_windows(total: int, *, window: int, overlap: int) -> WindowPlan:
    """Place as few windows as possible so that neighbours overlap by at least ``overlap`` samples.

    Args:
        total: Samples in the video, at least 1. A video shorter than a window gets one window.
        window: Samples in a window.
        overlap: Minimum overlap, and length of the cross-fade, in samples; under half a window.

    Raises:
        ValueError: If a length is out of range.
    """
    if total < 1 or window < 1 or not 0 <= overlap < window / 2:
        raise ValueError(
            f"need total >= 1 and 0 <= overlap < window / 2, got {total=}, {window=}, {overlap=}"
        )
    spare = max(0, total - window)
    count = 1 + math.ceil(spare / (window - overlap))
    starts = tuple(round(index * spare / max(1, count - 1)) for index in range(count))
    return WindowPlan(starts=starts, window=window, total=total, fade=overlap)


def plan_shots(shots: Sequence[tuple[int, int]], *, window: int, overlap: int) -> WindowPlan:
    """Place windows in every shot, so that none spans a cut and none is cross-faded over one.

    Args:
        shots: Begin and end of each shot in samples; each begins where the one before ends, the first at 0.
        window: As for :func:`plan_windows`, like ``overlap``.
        overlap: Minimum overlap inside a shot.

    Returns:
        For one shot the plan of :func:`plan_windows`. A shot that is shorter than a window gets one window
        that reaches past it; of its sound the shot's part is used.

    Raises:
        ValueError: If a length is out of range, or shots do not follow each other from 0.
    """
    begins, ends = [begin for begin, _ in shots], [end for _, end in shots]
    if not shots or begins != [0, *ends[:-1]]:
        raise ValueError(f"shots must follow each other from sample 0, got {shots}")
    plans = [plan_windows(end - begin, window=window, overlap=overlap) for begin, end in shots]
    windows = [
        (begin + start, end)
        for begin, end, plan in zip(begins, ends, plans, strict=True)
        for start in plan.starts
    ]
    return WindowPlan(
        starts=tuple(start for start, _ in windows),
        window=window,
        total=ends[-1],
        fade=overlap,
        shot_ends=() if len(shots) == 1 else tuple(end for _, end in windows),
    )


class CrossFader:
    """Joins the sounds of windows in order with equal-power cross-fades; buffers at most one fade.

    At a cut, one shot's sound ends and the next one's begins, each with a fade of 5 ms against clicks.

    Equal power, ``sin^2 + cos^2 = 1``: two windows are independent samples of the same moment, so
    their powers add, not their amplitudes.
    """

    def __init__(self, plan: WindowPlan) -> None:
        self._plan = plan
        self._tail: Tensor | None = None

    def add(self, index: int, audios: Tensor) -> Tensor:
        """Add a window's sound ``(num_takes, window)``; return the finished samples ``(num_takes, n)``."""
        plan = self._plan
        begin = plan.joint(index) if index else 0
        audios = audios[:, begin - plan.starts[index] : plan.end(index) - plan.starts[index]]
        if plan.is_cut(index):
            audios = _ramp(audios, at_end=False)
        if self._tail is not None and plan.fade:
            angle = (torch.arange(plan.fade) + 0.5) / plan.fade * (math.pi / 2)
            faded = self._tail * angle.cos() + audios[:, : plan.fade] * angle.sin()
            audios = torch.cat([faded, audios[:, plan.fade :]], dim=1)
        if index + 1 == len(plan):
            return audios
        if plan.is_cut(index + 1):
            self._tail = None
            return _ramp(audios, at_end=True)
        end = plan.joint(index + 1)
        self._tail = audios[:, end - begin : end - begin + plan.fade].clone()
        return audios[:, : end - begin]


def _ramp(audios: Tensor, *, at_end: bool) -> Tensor:
    """Fade the first or last samples of ``(num_takes, n)`` in or out, linearly."""
    length = min(_RAMP, audios.shape[1] // 2)
    gains = torch.ones(audios.shape[1], dtype=audios.dtype, device=audios.device)
    gains[:length] = (torch.arange(length) + 0.5) / max(1, length)
    return audios * (gains.flip(0) if at_end else gains)
