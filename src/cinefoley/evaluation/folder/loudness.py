"""Loudness of generated sounds beside the reference: level difference and loudness range."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from cinefoley.errors import MediaError
from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import Measurement, Ratio
from cinefoley.evaluation.folder.sounds import sound_loudness
from cinefoley.media.audio.loudness import Loudness

__all__ = ["LEVEL", "LEVEL_ERROR", "RANGE", "REFERENCE_RANGE", "LoudnessMetric"]

LEVEL, LEVEL_ERROR = "level, LU", "level error, LU"
"""Mean of the generated sound's loudness less the reference's, and mean of its magnitude."""
RANGE, REFERENCE_RANGE = "loudness range, LU", "loudness range of the reference, LU"
"""Mean loudness range (EBU Tech 3342) of the generated and of the reference sounds."""


class LoudnessMetric:
    """Compares integrated loudness (EBU R 128) and loudness range with the reference sound.

    Sounds that are silent or shorter than 0.4 s have no loudness, and sounds shorter than 3 s no range; they
    do not count.

    Args:
        real: Reference file of every clip.
    """

    caches_results = False  # faster than reading the file for a network

    def __init__(self, real: Mapping[str, Path]) -> None:
        self._real = real
        self._of_real = cache(sound_loudness)

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
                found, real = sound_loudness(sample.path), self._of_real(self._real[sample.clip])
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


def _compare(found: Loudness, real: Loudness) -> dict[str, float]:
    values: dict[str, float] = {}
    if found.integrated_lufs is not None and real.integrated_lufs is not None:
        level = found.integrated_lufs - real.integrated_lufs
        values |= {LEVEL: level, LEVEL_ERROR: abs(level)}
    if found.range_lu is not None and real.range_lu is not None:
        values |= {RANGE: found.range_lu, REFERENCE_RANGE: real.range_lu}
    return values
