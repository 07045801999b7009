"""Windows of a long video: place them, and cross-fade their sounds."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["OVERLAP_S", "CrossFader", "WindowPlan", "plan_windows"]

OVERLAP_S = 1.0
"""Minimum overlap of neighbouring windows, and length of their cross-fades, in seconds."""


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

    def __len__(self) -> int:
        return len(self.starts)

    def joint(self, index: int) -> int:
        """First sample of the cross-fade from window ``index - 1`` to window ``index``."""
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


class CrossFader:
    """Joins the sounds of windows in order with equal-power cross-fades; buffers at most one fade.

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
        audios = audios[:, begin - plan.starts[index] : plan.total - plan.starts[index]]
        if self._tail is not None and plan.fade:
            angle = (torch.arange(plan.fade) + 0.5) / plan.fade * (math.pi / 2)
            faded = self._tail * angle.cos() + audios[:, : plan.fade] * angle.sin()
            audios = torch.cat([faded, audios[:, plan.fade :]], dim=1)
        if index + 1 == len(plan):
            return audios
        end = plan.joint(index + 1)
        self._tail = audios[:, end - begin : end - begin + plan.fade].clone()
        return audios[:, : end - begin]
