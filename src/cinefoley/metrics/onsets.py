"""Onset detection, and matching of onsets with events (hits, extra, missed, F1)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, signal
from torch import Tensor

from cinefoley.config.mel import MelConfig
from cinefoley.media.audio.reader import Samples, join_blocks, slice_blocks
from cinefoley.spectral.mel import mel_spectrogram

__all__ = ["OnsetCounts", "detect_block_onsets", "detect_onsets", "match_onsets"]

_HOP_S = 0.010
_LAG = 2  # frames over which a rise is measured: 20 ms, shorter than the attack of an onset
_MIN_GAP_S = 0.20  # between two onsets; events of the stage are at least 0.5 s apart
_RISE = 0.050  # of the mel's [0, 1] scale, averaged over bands: 5 dB in every band at once
_RELATIVE = 0.28  # of the clip's steepest rise
_PART_S = 30.0  # of a long sound, whose spectrum is not held as a whole
_SILENCE = 0.25  # a mel whose loudest band stays below -55 dB has no onset


@dataclass(frozen=True, slots=True)
class OnsetCounts:
    """Outcome of matching detected onsets with events; add counts of clips, then take the ratios."""

    hits: int = 0
    """Detected onsets matched with an event."""
    extra: int = 0
    """Detected onsets without an event."""
    missed: int = 0
    """Events without a detected onset."""

    def __add__(self, other: "OnsetCounts") -> "OnsetCounts":
        return OnsetCounts(self.hits + other.hits, self.extra + other.extra, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """Share of detected onsets that match an event; 1 if nothing was detected."""
        detected = self.hits + self.extra
        return self.hits / detected if detected else 1.0

    @property
    def recall(self) -> float:
        """Share of events that were detected; 1 if there are no events."""
        events = self.hits + self.missed
        return self.hits / events if events else 1.0

    @property
    def f1_parts(self) -> tuple[float, float]:
        """Numerator and denominator of the F1: ``2 hits`` and ``2 hits + extra + missed``."""
        return 2.0 * self.hits, 2.0 * self.hits + self.extra + self.missed

    @property
    def f1(self) -> float:
        """``2 hits / (2 hits + extra + missed)``; 1 if there are neither events nor detected onsets."""
        part, total = self.f1_parts
        return part / total if total else 1.0


def detect_onsets(waveform: Tensor, *, sample_rate: int) -> NDArray[np.float64]:
    """Detect the onsets of a sound.

    Spectral flux: the rise of a 64-band mel over 20 ms, in decibels, averaged over bands. Onsets are
    peaks above both an absolute and a relative threshold. The settings were chosen on training clips of the
    stage.

    Args:
        waveform: ``(N,)`` in [-1, 1], at least 0.1 s.
        sample_rate: Samples per second, at least 16000.

    Returns:
        Seconds, ascending. A sound that begins before the first sample has no onset.

    Raises:
        ValueError: If the waveform is not ``(N,)``, too short, or not finite.
    """
    if waveform.ndim != 1 or len(waveform) < sample_rate // 10:
        found = f"{tuple(waveform.shape)} at {sample_rate} Hz"
        raise ValueError(f"waveform must be (N,) of at least 0.1 s, got {found}")
    return detect_block_onsets([waveform.float().cpu().numpy()[None]], sample_rate=sample_rate)


def detect_block_onsets(blocks: Iterable[Samples], *, sample_rate: int) -> NDArray[np.float64]:
    """Detect the onsets of a sound block by block, in memory that hardly grows with its length.

    Args:
        blocks: ``(1, N_i)`` in [-1, 1], at least 0.1 s in all.
        sample_rate: Samples per second, at least 16000.

    Returns:
        What :func:`detect_onsets` returns for the whole.

    Raises:
        ValueError: If the sound is too short, or not finite.
    """
    config = MelConfig(
        sample_rate=sample_rate,
        n_fft=_power_of_two(0.032 * sample_rate),
        hop_length=round(_HOP_S * sample_rate),
        n_mels=64,
        f_min=60.0,
    )
    loudest, parts = 0.0, []
    for mel in _mel_parts(blocks, config):
        # compare with the loudest neighbouring band: vibrato gives no rise (Boeck & Widmer, DAFx 2013)
        past = ndimage.maximum_filter1d(mel, 3, axis=0)
        parts.append(np.maximum(0.0, mel[:, _LAG:] - past[:, :-_LAG]).mean(axis=0))
        loudest = max(loudest, float(mel.max(initial=0.0)))
    if loudest < _SILENCE:
        return np.empty(0)
    rise = np.concatenate(parts)
    edge = _context(config)  # windows that reach over an end contain a click where the sound is cut
    rise[: edge - _LAG] = rise[len(rise) - edge :] = 0.0
    threshold = max(_RISE, _RELATIVE * float(np.percentile(rise, 99.7)))
    peaks, _ = signal.find_peaks(
        np.concatenate([[0.0], rise, [0.0]]), height=threshold, distance=max(1, round(_MIN_GAP_S / _HOP_S))
    )
    return np.asarray((peaks - 1 + _LAG) * (config.hop_length / sample_rate), dtype=np.float64)


def _mel_parts(blocks: Iterable[Samples], config: MelConfig) -> Iterator[NDArray[np.float32]]:
    """Mel ``(n_mels, frames)`` of a sound in parts, for rises that are computed part by part.

    Each begins with the last ``_LAG`` frames of the one before.
    """
    hop, context = config.hop_length, _context(config)
    held = np.zeros((1, 0), np.float32)
    skipped = 0  # frames at the begin of what is held that lack what came before
    length = round(_PART_S * config.sample_rate)
    pieces = (piece for block in blocks for piece in slice_blocks(block))
    for block in join_blocks(pieces, length):
        if not np.isfinite(block).all():
            raise ValueError("waveform contains NaN or infinite samples")
        held = np.concatenate([held, block], axis=1)
        frames = held.shape[1] // hop - context  # the last ones lack what comes after
        if frames - skipped <= _LAG or held.shape[1] < length:
            continue
        yield _mel(held, config)[:, skipped:frames]
        kept = frames - _LAG - context
        held, skipped = held[:, kept * hop :], context
    if held.shape[1] < 2:
        raise ValueError(f"a sound needs at least 0.1 s, got {held.shape[1]} samples")
    yield _mel(held, config)[:, skipped:]


def _mel(samples: Samples, config: MelConfig) -> NDArray[np.float32]:
    return np.asarray(mel_spectrogram(torch.from_numpy(samples), config)[0].numpy())


def _context(config: MelConfig) -> int:
    """Frames whose windows reach over an end."""
    return -(-config.n_fft // (2 * config.hop_length))


def match_onsets(
    detected: NDArray[np.float64], events: NDArray[np.float64], *, tolerance_s: float = 0.1
) -> OnsetCounts:
    """Match onsets with events one to one, as many as possible.

    Source: the onset evaluation of MIREX, computed by ``mir_eval``.

    Args:
        detected: Seconds, ascending.
        events: Seconds, ascending.
        tolerance_s: Largest distance of a match.

    Raises:
        ValueError: If the tolerance is negative.
    """
    from mir_eval.util import match_events

    if tolerance_s < 0:
        raise ValueError(f"tolerance_s must not be negative, got {tolerance_s}")
    hits = len(match_events(events, detected, tolerance_s)) if len(detected) and len(events) else 0
    return OnsetCounts(hits=hits, extra=len(detected) - hits, missed=len(events) - hits)


def _power_of_two(value: float) -> int:
    return int(2 ** np.ceil(np.log2(value)))
