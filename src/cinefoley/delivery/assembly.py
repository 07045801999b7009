"""Assemble one audio track from the takes accepted for each shot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cinefoley.media.audio.files import read_audio

__all__ = ["CROSS_FADE_S", "Piece", "assemble"]

CROSS_FADE_S = 0.02
"""Length of the cross-fade between two takes, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Sound between two cuts."""

    start_s: float
    """Start, in seconds from the first frame."""
    end_s: float
    """End."""
    wav: Path | None
    """The take's sound; None for silence."""
    wav_start_s: float = 0.0
    """Start of the take's sound, in seconds from the first frame."""
    gain: float = 1.0
    """Factor of the take's samples."""


def assemble(pieces: Sequence[Piece], duration_s: float, sample_rate: int) -> Tensor:
    """Join pieces, with a short cross-fade between two takes, and between a take and silence.

    Args:
        pieces: In order of time.
        duration_s: Length of the video, in seconds.
        sample_rate: Sample rate of the result, in Hz; takes of another rate are resampled.

    Returns:
        ``(N,)`` float32, exactly as long as the video.

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
        # half of a fade lies beyond the cut, so that two fades add up to one; a take that ends before that
        # fades out earlier, since an abrupt end clicks
        begin, finish = max(start - half, offset), min(end + half, offset + sound.shape[1])
        low, high = max(0, begin), min(total, finish)
        if low < high:
            gain = _gain(
                low,
                high,
                fades_from=begin if max(start, offset) > 0 else None,
                fades_to=finish if min(end, finish) < total else None,
                length=2 * half,
            )
            track[low:high] += piece.gain * gain * sound[0, low - offset : high - offset]
    return track


def _gain(low: int, high: int, *, fades_from: int | None, fades_to: int | None, length: int) -> Tensor:
    """Gain of 1 with a fade-in and a fade-out; None: no fade, at the start or end of the video."""
    places = torch.arange(low, high) + 0.5
    gain = torch.ones(high - low)
    if length and fades_from is not None:
        gain = torch.minimum(gain, ((places - fades_from) / length).clamp(0, 1))
    if length and fades_to is not None:
        gain = torch.minimum(gain, ((fades_to - places) / length).clamp(0, 1))
    return gain
