"""One sound track out of the takes that were accepted for each shot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cinefoley.media.audio import read_audio

__all__ = ["CROSS_FADE_S", "Piece", "assemble"]

CROSS_FADE_S = 0.02
"""Seconds around a cut in which one take gives way to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What is heard between two cuts."""

    start_s: float
    """From the first picture."""
    end_s: float
    """Where it ends."""
    wav: Path | None
    """The take's sound; None for silence."""
    wav_start_s: float = 0.0
    """Where in the film the take's sound begins."""


def assemble(pieces: Sequence[Piece], duration_s: float, sample_rate: int) -> Tensor:
    """Join pieces, with a short cross-fade wherever one take gives way to another or to silence.

    Args:
        pieces: In the order of time.
        duration_s: Length of the film.
        sample_rate: Samples per second of the result; takes of another rate are converted.

    Returns:
        ``(N,)`` float32, exactly as long as the film.

    Raises:
        MediaError: If a take cannot be read.
    """
    total = round(duration_s * sample_rate)
    track = torch.zeros(total)
    half = round(CROSS_FADE_S * sample_rate / 2)
    for piece in pieces:
        if piece.wav is None:
            continue
        sound, _ = read_audio(piece.wav, sample_rate=sample_rate, mono=True)
        offset = round(piece.wav_start_s * sample_rate)
        start, end = round(piece.start_s * sample_rate), round(piece.end_s * sample_rate)
        # a fade reaches over the cut as far as there is sound, so that two halves add up to one
        low = max(0, offset, start - half)
        high = min(total, offset + sound.shape[1], end + half)
        if low < high:
            gain = _gain(low, high, start, end, half, total)
            track[low:high] += gain * sound[0, low - offset : high - offset]
    return track


def _gain(low: int, high: int, start: int, end: int, half: int, total: int) -> Tensor:
    """1 between the cuts, half at each of them, 0 half a fade outside; 1 up to the ends of the film."""
    places = torch.arange(low, high) + 0.5
    gain = torch.ones(high - low)
    if half and start > 0:
        gain = torch.minimum(gain, ((places - start) / (2 * half) + 0.5).clamp(0, 1))
    if half and end < total:
        gain = torch.minimum(gain, ((end - places) / (2 * half) + 0.5).clamp(0, 1))
    return gain
