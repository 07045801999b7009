"""Loudness of generated sounds beside the reference: level difference and loudness range."""

import math
from collections.abc import Mapping, Sequence
from functools import cache as remembered
from pathlib import Path

from cinefoley.errors import MediaError
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import Measurement, Ratio
from cinefoley.evaluation.folder.sounds import sound_digest, sound_loudness

__all__ = ["LEVEL", "LEVEL_ERROR", "RANGE", "REFERENCE_RANGE", "LoudnessMetric"]

LEVEL, LEVEL_ERROR = "level, LU", "level error, LU"
"""Mean of the generated sound's loudness less the reference's, and mean of its magnitude."""
RANGE, REFERENCE_RANGE = "loudness range, LU", "loudness range of the reference, LU"
"""Mean loudness range (EBU Tech 3342) of the generated and of the reference sounds."""

_WHAT = "loudness 1"  # part of the cache's key; change it when the same sound would have another loudness


class LoudnessMetric:
    """Compares integrated loudness (EBU R 128) and loudness range with the reference sound.

    Sounds that are silent or shorter than 0.4 s have no loudness, and sounds shorter than 3 s no range; they
    do not count.

    Args:
        real: Reference file of every clip.
        cache: Cached loudness; None caches nothing.
    """

    def __init__(self, real: Mapping[str, Path], cache: FeatureCache | None = None) -> None:
        self._real = real
        self._cache = cache or FeatureCache(None)
        self._of_real = remembered(self._measure)

    def measure(self, samples: Sequence[Sample]) -> Measurement:
        """Means over samples."""
        parts: dict[str, dict[Sample, tuple[float, float]]] = {
            name: {} for name in (LEVEL, LEVEL_ERROR, RANGE, REFERENCE_RANGE)
        }
        problems: dict[Sample, str] = {}
        for sample in samples:
            if sample.clip not in self._real:
                continue
            try:
                found, real = self._measure(sample.path), self._of_real(self._real[sample.clip])
            except MediaError as exc:
                problems[sample] = str(exc)
                continue
            for name, value in _compare(found, real).items():
                parts[name][sample] = (value, 1.0)
        why = "no sound and reference that are both loud and long enough"
        return Measurement(
            ratios={name: Ratio(parts=values, if_unmeasured=why) for name, values in parts.items()},
            protocol={"loudness": "EBU R 128, range by EBU Tech 3342"},
            problems=problems,
        )

    def _measure(self, path: Path) -> list[float]:
        """Integrated loudness and range; NaN where there is none."""

        def compute() -> list[float]:
            found = sound_loudness(path)
            return [math.nan if x is None else x for x in (found.integrated_lufs, found.range_lu)]

        return self._cache.numbers(sound_digest(path), _WHAT, "", compute)


def _compare(found: Sequence[float], real: Sequence[float]) -> dict[str, float]:
    level, (range_lu, real_range_lu) = found[0] - real[0], (found[1], real[1])
    values = {} if math.isnan(level) else {LEVEL: level, LEVEL_ERROR: abs(level)}
    if not math.isnan(range_lu + real_range_lu):
        values |= {RANGE: range_lu, REFERENCE_RANGE: real_range_lu}
    return values
