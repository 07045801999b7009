"""Per-clip metrics of one or two folders, over the clips that all of them have."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cinefoley.evaluation.folder.comparison import SkippedFile
from cinefoley.evaluation.folder.features import FileFeatures
from cinefoley.evaluation.folder.pairing import Pairs
from cinefoley.evaluation.folder.per_clip_metrics import Measurement, PerClipMetric, ratio_scores
from cinefoley.evaluation.folder.protocols import EvaluationSettings
from cinefoley.evaluation.scores import Score

__all__ = ["PerClipScores"]


class PerClipScores:
    """Per-clip metrics of one or two methods, over the clips that all methods have.

    Args:
        metrics: What is measured.
        pairs: Sounds of each method.
        features: Of every file; unreadable files are not measured.
        settings: How folders are compared.
    """

    def __init__(
        self,
        metrics: Sequence[PerClipMetric],
        pairs: Mapping[str, Pairs],
        features: Mapping[Path, FileFeatures],
        settings: EvaluationSettings,
    ) -> None:
        self._settings = settings
        readable = {
            name: [sample for sample in found.samples if features[sample.path].problem is None]
            for name, found in pairs.items()
        }
        self.clips = set.intersection(*({sample.clip for sample in samples} for samples in readable.values()))
        self._measurements: dict[str, list[Measurement]] = {
            name: [metric.measure([s for s in samples if s.clip in self.clips]) for metric in metrics]
            for name, samples in readable.items()
        }

    def scores(self, name: str, clips: set[str] | None = None) -> dict[str, Score]:
        """Of one method; of some clips, then without intervals."""
        replicas = self._settings.replicas if clips is None else 0
        chosen = self.clips if clips is None else self.clips & clips
        found: dict[str, Score] = {}
        for measurement in self._measurements[name]:
            found |= ratio_scores(measurement.ratios, chosen, replicas=replicas, seed=self._settings.seed)
        return found

    def left_out(self, name: str) -> list[SkippedFile]:
        """Sounds of one method that are in the other numbers and could not be measured."""
        return [
            SkippedFile(path=sample.path, side=name, reason=f"not measured: {problem}")
            for measurement in self._measurements[name]
            for sample, problem in measurement.problems.items()
        ]

    def protocol(self) -> dict[str, object]:
        """Fields of the protocol line; of the other method, those that differ."""
        fields: dict[str, object] = {}
        for name, measurements in self._measurements.items():
            for field_name, value in (item for m in measurements for item in m.protocol.items()):
                if fields.get(field_name, value) == value:
                    fields[field_name] = value
                else:
                    fields[f"{field_name}_{name}"] = value
        return fields
