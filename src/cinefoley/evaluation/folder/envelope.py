"""E-L1 of generated sounds beside the reference: distance of their loudness envelopes."""

from collections.abc import Mapping, Sequence
from functools import cache as remembered
from functools import lru_cache
from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from cinefoley.errors import MediaError
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import Measurement, Ratio
from cinefoley.evaluation.folder.sounds import read_sound, sound_digest
from cinefoley.metrics.functional.envelope import ENVELOPE_RATE, envelope_distance_terms, rms_envelope

__all__ = ["ENVELOPE", "EnvelopeMetric", "paired_envelope_distance"]

ENVELOPE = "E-L1"
"""Its name in tables."""

_WHAT = "E-L1 1"  # part of the cache's key; change it when the same sounds would have another distance
_FEWEST = 512  # samples: a frame of the envelope
_MANY_REFERENCES = 64


class EnvelopeMetric:
    """Compares the loudness envelope with that of the reference sound (Video-Foley).

    A sound that is shorter than its reference counts as silent after its end, a longer one is cut, as in
    Video-Foley.

    Args:
        real: Reference file of every clip.
        cache: Cached distances; None caches nothing.
    """

    def __init__(self, real: Mapping[str, Path], cache: FeatureCache | None = None) -> None:
        self._real = real
        self._cache = cache or FeatureCache(None)
        self._digest_real = remembered(sound_digest)
        self._read_real = lru_cache(maxsize=_MANY_REFERENCES)(_read)

    def measure(self, samples: Sequence[Sample]) -> Measurement:
        """The mean over samples."""
        parts: dict[Sample, tuple[float, float]] = {}
        problems: dict[Sample, str] = {}
        for sample in samples:
            if sample.clip not in self._real:
                continue
            try:
                parts[sample] = (self._distance(sample.path, self._real[sample.clip]), 1.0)
            except MediaError as exc:
                problems[sample] = str(exc)
        ratio = Ratio(parts=parts, if_unmeasured="no reference sound could be read")
        how = f"RMS of 512 samples every 128 at {ENVELOPE_RATE} Hz, mean of channels"
        return Measurement(ratios={ENVELOPE: ratio}, protocol={"envelope": how}, problems=problems)

    def _distance(self, path: Path, real: Path) -> float:
        def compute() -> list[float]:
            return [paired_envelope_distance(self._read_real(real), _read(path))]

        [found] = self._cache.numbers(sound_digest(path), _WHAT, self._digest_real(real), compute)
        return found


def paired_envelope_distance(real: Tensor, generated: Tensor) -> float:
    """E-L1 of one pair of waveforms ``(N,)`` and ``(M,)`` at 16 kHz, on the reference's length."""
    length = max(len(real), _FEWEST)
    pair = [F.pad(each[:length], (0, length - len(each[:length]))) for each in (real, generated)]
    return float(envelope_distance_terms(*(rms_envelope(each)[None] for each in pair)))


def _read(path: Path) -> Tensor:
    return read_sound(path, sample_rate=ENVELOPE_RATE, mono=True)[0][0]
