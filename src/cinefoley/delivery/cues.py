"""Cues: find the events of a take with their strength, and match edited cues with them."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log10
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cinefoley.delivery.kinds import LEAD_S, LENGTH_S, KindNamer
from cinefoley.delivery.sample_source import SampleSource
from cinefoley.media.audio.reader import AudioReader, Samples, resample_blocks
from cinefoley.media.sections import Section
from cinefoley.metrics.onsets import detect_block_onsets

__all__ = ["Cue", "ReadSound", "find_cues", "find_file_cues", "match_cues"]

ReadSound = Callable[[], Iterable[Samples]]
"""Gives the blocks of a sound from its begin, ``(1, N_i)``."""

_SHORTEST_S = 0.1
_ATTACK_S = 0.3  # within which the strength of an event is measured
_WINDOW_S = 0.05
_FLOOR_DB = -120.0
_LOWEST_RATE = 16000  # of onset detection


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """An event of a take, or where an editor wants one."""

    time_s: float
    """Seconds from the first frame."""
    strength_db: float | None = None
    """Loudest 50 ms of its first 300 ms, RMS in dB of full scale; None if unknown."""
    kind: str = ""
    """What sounds, as an editor wrote it or the classifier heard it; empty if unknown."""
    note: str = ""
    """Free text of an editor."""
    generated_s: float | None = None
    """Where the take has the event as generated, if ``time_s`` is another time; None: there."""

    @property
    def name(self) -> str:
        """Kind, strength and note, in one line."""
        strength = "" if self.strength_db is None else f"{self.strength_db:.1f} dB"
        return ", ".join(filter(None, (self.kind, strength, self.note))) or "cue"


def find_cues(
    read: ReadSound, sample_rate: int, *, start_s: float = 0.0, namer: KindNamer | None = None
) -> list[Cue]:
    """Find the events of a take: its onsets, how strong each is, and what sounds.

    The sound is read twice, block by block, and never held as a whole.

    Args:
        read: Gives the blocks of the sound from its begin, ``(1, N_i)``, full scale at 1; called twice.
            Shorter than 0.1 s: no events.
        sample_rate: Samples per second, at least 16000.
        start_s: Where the take begins, in seconds from the video's first frame.
        namer: Names the kind of each event; None leaves it empty.

    Returns:
        Cues in order of time.
    """
    length = 0

    def counted() -> Iterator[Samples]:
        nonlocal length
        for block in read():
            length += block.shape[1]
            yield block

    try:
        onsets = detect_block_onsets(counted(), sample_rate=sample_rate)
    except ValueError:
        if length >= _SHORTEST_S * sample_rate:
            raise
        return []
    cues: list[Cue] = []
    source, position = SampleSource(read()), 0
    for onset, following in pairwise([*onsets, length / sample_rate + LEAD_S]):
        begin = max(position, round((onset - LEAD_S) * sample_rate))
        end = round(min(following - LEAD_S, onset + LENGTH_S) * sample_rate)
        source.skip(begin - position)
        excerpt, position = source.take(end - begin)[0], end
        lead = round(onset * sample_rate) - begin
        kind = "" if namer is None else namer.name(torch.from_numpy(excerpt.copy()), sample_rate)
        strength_db = _strength_db(excerpt[lead : lead + round(_ATTACK_S * sample_rate)], sample_rate)
        cues.append(Cue(time_s=round(start_s + float(onset), 3), strength_db=strength_db, kind=kind))
    return cues


def find_file_cues(wav: Path, *, start_s: float = 0.0, namer: KindNamer | None = None) -> list[Cue]:
    """Find the events of a take in a file, as :func:`find_cues`; channels are averaged.

    Raises:
        MediaError: If it cannot be read.
    """

    def read() -> Iterator[Samples]:
        with AudioReader(wav, Section.of(0.0, None)) as reader:
            blocks = (block.mean(axis=0, keepdims=True) for block in reader)
            yield from resample_blocks(blocks, reader.sample_rate, rate)

    with AudioReader(wav, Section.of(0.0, None)) as reader:
        rate = max(_LOWEST_RATE, reader.sample_rate)
    return find_cues(read, rate, start_s=start_s, namer=namer)


def match_cues(
    events_s: Sequence[float], cues_s: Sequence[float], *, reach_s: float = 0.5
) -> list[tuple[int, int]]:
    """Pair cues with events in order, so that pairs never cross and the sum of their distances is least.

    Args:
        events_s: Times of the events, ascending, in seconds.
        cues_s: Times of the cues, ascending.
        reach_s: Largest distance of a pair; an event or cue without a partner costs half of it.

    Returns:
        Pairs of indices (event, cue), ascending.
    """
    count = len(cues_s)
    best: list[_Chain | None] = [None] * (count + 1)  # a Fenwick tree of prefix maxima, over cues

    def before(cue: int) -> _Chain | None:
        found = None
        while cue > 0:
            found = max(found, best[cue], key=_gain)
            cue -= cue & -cue
        return found

    for event, time_s in enumerate(events_s):
        near = range(bisect_left(cues_s, time_s - reach_s), bisect_right(cues_s, time_s + reach_s))
        gains = [reach_s - abs(time_s - cues_s[cue]) for cue in near]  # what two without a partner cost more
        chains = [_Chain.of(event, cue, gain, before(cue)) for cue, gain in zip(near, gains, strict=True)]
        for chain in chains:  # after all of them: an event has one partner
            place = chain.cue + 1
            while place <= count:
                best[place] = max(best[place], chain, key=_gain)
                place += place & -place
    pairs, last = [], before(count)
    while last is not None:
        pairs.append((last.event, last.cue))
        last = last.earlier
    return pairs[::-1]


@dataclass(frozen=True, slots=True)
class _Chain:
    """Pairs in order, the last one first."""

    event: int
    cue: int
    gain: float
    earlier: "_Chain | None"

    @classmethod
    def of(cls, event: int, cue: int, gain: float, earlier: "_Chain | None") -> "_Chain":
        return cls(event, cue, gain + _gain(earlier), earlier)


def _gain(chain: _Chain | None) -> float:
    return 0.0 if chain is None else chain.gain


def _strength_db(sound: NDArray[np.float32], sample_rate: int) -> float:
    sums = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    width = min(round(_WINDOW_S * sample_rate), len(sound))
    loudest = float((sums[width:] - sums[:-width]).max() / width) if width else 0.0
    return round(max(_FLOOR_DB, 10 * log10(max(loudest, 1e-20))), 1)
