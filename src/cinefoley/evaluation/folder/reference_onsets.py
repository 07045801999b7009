"""Onset F1 against the onsets of the reference sound, and against those of other clips (derangements)."""

from collections.abc import Mapping, Sequence
from functools import cache as remembered
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cinefoley.errors import MediaError
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import Measurement, Ratio
from cinefoley.evaluation.folder.sounds import sound_digest
from cinefoley.evaluation.folder.synchrony import EVENT_RATE, read_for_onsets
from cinefoley.metrics.onsets import OnsetCounts, detect_onsets, match_onsets

__all__ = ["REFERENCE_F1", "SHUFFLED_F1", "ReferenceOnsetMetric"]

REFERENCE_F1, SHUFFLED_F1 = "reference onset F1 ±100 ms", "reference onset F1 ±100 ms, other clips"
"""Names of the two metrics: with the clip's own reference, and with those of other clips."""

_WHAT = "onsets 1"  # part of the cache's key; change it when the same sound would have other onsets
_TOLERANCE_S = 0.1
_MOST_OTHERS = 10  # other clips that a sample is compared with, so that the work grows with the clips alone
_FEWEST_CLIPS = 5


class ReferenceOnsetMetric:
    """Counts a sound's onsets that are within 100 ms of an onset of the reference sound.

    Onsets at any times reach some F1. So the same onsets are also matched with those of other clips: of the
    next 10 clips in the order of names, cyclically (all others, if there are fewer), up to the end of the
    shorter sound. Each shift by a number of clips is a derangement of the clips.

    Args:
        real: Reference file of every clip.
        cache: Cached onsets; None caches nothing.
    """

    def __init__(self, real: Mapping[str, Path], cache: FeatureCache | None = None) -> None:
        self._real = dict(sorted(real.items()))
        self._cache = cache or FeatureCache(None)
        self._onsets = remembered(self._find)

    def measure(self, samples: Sequence[Sample]) -> Measurement:
        """Both F1; counts are added over samples, and over other clips, before the F1 is taken."""
        own: dict[Sample, tuple[float, float]] = {}
        others: dict[Sample, tuple[float, float]] = {}
        problems: dict[Sample, str] = {}
        for sample in samples:
            if sample.clip not in self._real:
                continue
            try:
                onsets, duration_s = self._find(sample.path)
                expected, _ = self._onsets(self._real[sample.clip])
                shuffled = sum(self._count_others(sample.clip, onsets, duration_s), OnsetCounts())
            except MediaError as exc:
                problems[sample] = str(exc)
                continue
            own[sample] = match_onsets(onsets, expected, tolerance_s=_TOLERANCE_S).f1_parts
            others[sample] = shuffled.f1_parts
        why = "no reference sound could be read"
        ratios = {
            name: Ratio(parts=parts, if_empty=1.0, if_unmeasured=why, fewest_clips=_FEWEST_CLIPS)
            for name, parts in ((REFERENCE_F1, own), (SHUFFLED_F1, others))
        }
        count = min(_MOST_OTHERS, len(self._real) - 1)
        how = f"onsets of the reference's mean of channels; other clips: the next {count} by name"
        return Measurement(ratios=ratios, protocol={"reference_onsets": how}, problems=problems)

    def _count_others(
        self, clip: str, onsets: NDArray[np.float64], duration_s: float
    ) -> Sequence[OnsetCounts]:
        names = list(self._real)
        place = names.index(clip)
        counts = []
        for shift in range(1, min(_MOST_OTHERS, len(names) - 1) + 1):
            try:
                other, other_s = self._onsets(self._real[names[(place + shift) % len(names)]])
            except MediaError:  # named where its own samples are measured
                continue
            end_s = min(duration_s, other_s)
            found, expected = onsets[onsets < end_s], other[other < end_s]
            counts.append(match_onsets(found, expected, tolerance_s=_TOLERANCE_S))
        return counts

    def _find(self, path: Path) -> tuple[NDArray[np.float64], float]:
        """Onsets and length of a sound, in seconds."""

        def compute() -> list[float]:
            waveform = read_for_onsets(path)
            onsets = detect_onsets(waveform, sample_rate=EVENT_RATE)
            return [len(waveform) / EVENT_RATE, *onsets.tolist()]

        duration_s, *onsets = self._cache.numbers(sound_digest(path), _WHAT, "", compute)
        return np.array(onsets, dtype=np.float64), duration_s
