"""Assemble one audio track from the takes accepted for each shot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cinefoley.delivery.sample_source import SampleSource
from cinefoley.delivery.take_reader import read_take, take_length
from cinefoley.media.audio.reader import Samples

__all__ = ["CROSS_FADE_S", "Piece", "assemble"]

CROSS_FADE_S = 0.02
"""Length of the cross-fade between two takes, in seconds."""

_BLOCK = 1 << 16


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


def assemble(pieces: Sequence[Piece], duration_s: float, sample_rate: int) -> Iterator[Samples]:
    """Join pieces, with a short cross-fade between two takes, and between a take and silence.

    Takes are read block by block, and never held as a whole.

    Args:
        pieces: In order of time.
        duration_s: Length of the video, in seconds.
        sample_rate: Sample rate of the result, in Hz; takes of another rate are resampled.

    Yields:
        Blocks ``(1, N_i)`` float32, together exactly as long as the video.

    Raises:
        MediaError: If a take cannot be read.
    """
    total = round(duration_s * sample_rate)
    waiting = [part for piece in pieces for part in _part(piece, total, sample_rate)]
    sounding: list[_Part] = []
    for begin in range(0, total, _BLOCK):
        end = min(begin + _BLOCK, total)
        block = np.zeros((1, end - begin), np.float32)
        while waiting and waiting[0].low < end:
            sounding.append(waiting.pop(0))
        for part in sounding:
            low, high = max(begin, part.low), min(end, part.high)
            block[:, low - begin : high - begin] += part.gain(low, high) * part.source.take(high - low)
        sounding = [part for part in sounding if part.high > end]
        yield block


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Where a piece sounds, in samples of the result, and its sound from there on."""

    low: int
    high: int
    level: float
    fades_from: int | None
    fades_to: int | None
    length: int
    source: SampleSource

    def gain(self, low: int, high: int) -> Samples:
        """Gain with a fade-in and a fade-out; none at the start or end of the video."""
        places = np.arange(low, high) + 0.5
        gain = np.ones(high - low)
        if self.length and self.fades_from is not None:
            gain = np.minimum(gain, ((places - self.fades_from) / self.length).clip(0, 1))
        if self.length and self.fades_to is not None:
            gain = np.minimum(gain, ((self.fades_to - places) / self.length).clip(0, 1))
        return np.asarray(self.level * gain, np.float32)


def _part(piece: Piece, total: int, sample_rate: int) -> Iterator[_Part]:
    """The part of a piece; none for silence and for what lies outside the video."""
    if piece.wav is None:
        return
    half = round(CROSS_FADE_S * sample_rate / 2)
    offset = round(piece.wav_start_s * sample_rate)
    start, end = round(piece.start_s * sample_rate), round(piece.end_s * sample_rate)
    # half of a fade lies beyond the cut, so that two fades add up to one; a take that ends before that
    # fades out earlier, since an abrupt end clicks
    length = take_length(piece.wav, sample_rate)
    begin, finish = max(start - half, offset), min(end + half, offset + length)
    low, high = max(0, begin), min(total, finish)
    if low < high:
        yield _Part(
            low=low,
            high=high,
            level=piece.gain,
            fades_from=begin if max(start, offset) > 0 else None,
            fades_to=finish if min(end, finish) < total else None,
            length=2 * half,
            source=SampleSource(read_take(piece.wav, low - offset, sample_rate)),
        )
