"""Onsets and off-screen energy of one take, measured against the known events of its clip."""

import torch
from torch import Tensor

from cinefoley.data.events.clip_events import ClipEvents
from cinefoley.metrics.events import match_visible_onsets, off_screen_energy
from cinefoley.metrics.onsets import detect_onsets, match_onsets

__all__ = ["count_events"]

_TOLERANCE_S = 0.1


def count_events(waveform: Tensor, events: ClipEvents | None, *, sample_rate: int) -> dict[str, Tensor]:
    """Count matched onsets within ±100 ms, and the share of energy where nothing should sound.

    Args:
        waveform: ``(N,)``.
        events: Of the clip; None where they are not known.
        sample_rate: In Hz.

    Returns:
        ``onsets`` and ``visible_onsets``, ``(3,)`` int64: hits, extra and missed ones, -1 where events are
        not known or begin too softly; ``off_screen``, in [0, 1], NaN where it is not defined.
    """
    found = {
        "onsets": torch.full((3,), -1),
        "visible_onsets": torch.full((3,), -1),
        "off_screen": torch.tensor(torch.nan),
    }
    if events is None:
        return found
    if events.is_onset_like:
        onsets = detect_onsets(waveform, sample_rate=sample_rate)
        every = match_onsets(onsets, events.times, tolerance_s=_TOLERANCE_S)
        visible = match_visible_onsets(onsets, events.times, events.is_visible, tolerance_s=_TOLERANCE_S)
        for name, counts in (("onsets", every), ("visible_onsets", visible)):
            found[name] = torch.tensor([counts.hits, counts.extra, counts.missed])
    if events.off_screen is not None:
        share = off_screen_energy(
            waveform, sample_rate=sample_rate, off_screen=events.off_screen, sounding=events.sounding
        )
        if share is not None:
            found["off_screen"] = torch.tensor(share)
    return found
