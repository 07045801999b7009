"""Synchrony with known events: onsets of visible events, and energy in times that should be silent."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.metrics.onsets import OnsetCounts, match_onsets

__all__ = ["Spans", "match_visible_onsets", "off_screen_energy"]

Spans = NDArray[np.float64]
"""Time spans ``(K, 2)``, begin and end in seconds, in any order; they may overlap."""


def match_visible_onsets(
    detected: NDArray[np.float64],
    events: NDArray[np.float64],
    is_visible: NDArray[np.bool_],
    *,
    tolerance_s: float = 0.1,
) -> OnsetCounts:
    """Match onsets with the visible events.

    Visible events are matched first. A remaining onset that matches an off-screen event counts neither as a
    hit nor as extra, because the event cannot be inferred from the frames. All other remaining
    onsets are extra.

    Args:
        detected: Seconds, ascending.
        events: Seconds, ascending.
        is_visible: Whether target or context of each event is in the frame.
        tolerance_s: Largest distance of a match.

    Returns:
        Counts over visible events; if all events are visible, the same as those of
        :func:`~cinefoley.metrics.onsets.match_onsets`. A clip without visible events and without extra onsets
        has an F1 of 1.

    Raises:
        ValueError: If the number of flags differs from the number of events, or the tolerance is negative.

    Examples:
        >>> match_visible_onsets(np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.array([True, False]))
        OnsetCounts(hits=1, extra=0, missed=0)
    """
    if len(is_visible) != len(events):
        raise ValueError(f"is_visible needs a flag for every event, got {len(is_visible)} for {len(events)}")
    seen = events[is_visible.astype(bool)]
    visible = match_onsets(detected, seen, tolerance_s=tolerance_s)
    everything = match_onsets(detected, events, tolerance_s=tolerance_s)
    # a maximum matching of visible events extends to one of all events, so this many match off-screen ones
    excused = max(0, everything.hits - visible.hits)
    return OnsetCounts(hits=visible.hits, extra=visible.extra - excused, missed=visible.missed)


def off_screen_energy(
    waveform: Tensor, *, sample_rate: int, off_screen: Spans, sounding: Spans
) -> float | None:
    """Share of a sound's energy at times when the target is off-screen and no event sounds.

    The paper shows this silence in Figure 4 and does not measure it. 0 is the best value. Noise of constant
    level scores the share of these times in the clip.

    Args:
        waveform: ``(N,)``.
        sample_rate: Samples per second.
        off_screen: Times when the target is off-screen.
        sounding: Times when an event sounds, decay included; sound at these times is not counted.

    Returns:
        In [0, 1]; 0 for a clip that is silent throughout. None if there are no such times, because the share
        is then undefined.

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
