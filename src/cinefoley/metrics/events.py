"""Synchrony with known events: onsets of visible events, and energy where nothing should sound."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.metrics.onsets import OnsetCounts, match_onsets

__all__ = ["Spans", "match_visible_onsets", "off_screen_energy"]

Spans = NDArray[np.float64]
"""Stretches of time ``(K, 2)``, beginning and end in seconds; they may overlap and lie in any order."""


def match_visible_onsets(
    detected: NDArray[np.float64],
    events: NDArray[np.float64],
    is_visible: NDArray[np.bool_],
    *,
    tolerance_s: float = 0.1,
) -> OnsetCounts:
    """Match onsets with the visible events.

    Visible events are matched first. A remaining onset that matches an off-screen event is neither a hit nor
    extra: it cannot be inferred from the frames. All others are extra.

    Args:
        detected: Seconds, ascending.
        events: Seconds, ascending.
        is_visible: Whether target or context of each event is in the frame.
        tolerance_s: Largest distance of a match.

    Returns:
        Counts over visible events; with all events visible, those of
        :func:`~cinefoley.metrics.onsets.match_onsets`. A clip without visible events and without extra onsets
        is right (F1 of 1).

    Raises:
        ValueError: If the flags are not as many as the events, or the tolerance is negative.

    Examples:
        >>> match_visible_onsets(np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.array([True, False]))
        OnsetCounts(hits=1, extra=0, missed=0)
    """
    if len(is_visible) != len(events):
        raise ValueError(f"need a flag for every event, got {len(is_visible)} for {len(events)}")
    seen = events[is_visible.astype(bool)]
    visible = match_onsets(detected, seen, tolerance_s=tolerance_s)
    everything = match_onsets(detected, events, tolerance_s=tolerance_s)
    # a largest matching of the visible events can be grown to one of all events, so this many fit hidden ones
    excused = max(0, everything.hits - visible.hits)
    return OnsetCounts(hits=visible.hits, extra=visible.extra - excused, missed=visible.missed)


def off_screen_energy(
    waveform: Tensor, *, sample_rate: int, off_screen: Spans, sounding: Spans
) -> float | None:
    """Share of a sound's energy that lies where nothing sounds while the target is off-screen.

    The paper shows this silence in Figure 4 and does not measure it. 0 is right; the share that such times
    have of the clip is what noise of constant level would score.

    Args:
        waveform: ``(N,)``.
        sample_rate: Samples per second.
        off_screen: When the target is off-screen.
        sounding: When something sounds, its decay included; sound there is never wrong.

    Returns:
        In [0, 1]; 0 for a clip that is silent throughout. None where no time is both off screen and silent,
        so that it is undefined.

    Raises:
        ValueError: If the waveform is not ``(N,)`` or not finite, or a span ends before it begins.
    """
    if waveform.ndim != 1 or not bool(waveform.isfinite().all()):
        raise ValueError(f"waveform must be finite and (N,), got {tuple(waveform.shape)}")
    length = len(waveform)
    wrong = _inside(off_screen, length, sample_rate) & ~_inside(sounding, length, sample_rate)
    if not bool(wrong.any()):
        return None
    energy = waveform.double().cpu().square()
    total = float(energy.sum())
    return float(energy[wrong].sum()) / total if total > 0 else 0.0


def _inside(spans: Spans, length: int, sample_rate: int) -> Tensor:
    """Whether each sample lies in any span."""
    inside = torch.zeros(length, dtype=torch.bool)
    for begin, end in np.asarray(spans, dtype=np.float64).reshape(-1, 2):
        if not end >= begin:
            raise ValueError(f"a span must not end before it begins, got {begin:g} to {end:g} s")
        inside[max(0, round(begin * sample_rate)) : max(0, round(end * sample_rate))] = True
    return inside
