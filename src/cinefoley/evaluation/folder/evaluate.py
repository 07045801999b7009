"""Evaluate a folder of generated sounds against a folder of real ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cinefoley.evaluation.folder.comparison import FEWEST_CLIPS, FolderComparison, SkippedFile
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.features import embed_files
from cinefoley.evaluation.folder.pairing import Pairs, Sample, find_sounds, group_samples, pair_by_name
from cinefoley.evaluation.folder.per_clip_metrics import PerClipMetric
from cinefoley.evaluation.folder.per_clip_scores import PerClipScores
from cinefoley.evaluation.folder.protocols import EvaluationSettings
from cinefoley.evaluation.folder.sounds import Sounds
from cinefoley.evaluation.scores import Score, combine, difference
from cinefoley.metrics.backbones.protocol import Backbone

__all__ = ["Evaluation", "evaluate_folders", "pair_folders"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Scores of a folder, and the protocol that they depend on."""

    scores: Mapping[str, Score]
    """By metric."""
    protocol: Mapping[str, object]
    """The protocol line's fields."""
    left_out: Sequence[SkippedFile] = ()
    """Every file that was skipped, and why."""
    against: Mapping[str, Score] = field(default_factory=dict)
    """The other method's scores."""
    differences: Mapping[str, Score] = field(default_factory=dict)
    """This method's less the other's, with intervals over the same resampled clips."""
    categories: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    """Scores by category, without intervals; ``clips`` counts."""


def pair_folders(generated: Path | Sounds, real: Path | Sounds, settings: EvaluationSettings) -> Pairs:
    """Find the sounds of both folders and match them.

    Raises:
        MediaError: If a folder holds none.
        CinefoleyError: If they do not match.
    """
    found, reference = find_sounds(generated), find_sounds(real)
    if settings.is_paired:
        return pair_by_name(found, reference, least_share=settings.protocol.least_share)
    samples = [
        Sample(clip, number, path)
        for clip, paths in sorted(group_samples(found).items())
        for number, path in enumerate(paths)
    ]
    return Pairs(samples=samples, real=dict(sorted(reference.items())))


def evaluate_folders(
    generated: Path | Sounds,
    real: Path | Sounds,
    backbones: Sequence[Backbone],
    *,
    settings: EvaluationSettings,
    cache: FeatureCache,
    against: Path | Sounds | None = None,
    labels: Mapping[str, str] | None = None,
    metrics: Sequence[PerClipMetric] = (),
    on_file: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Compare a folder of generated sounds with a folder of real ones.

    Args:
        generated: One or several samples per clip, of any rates, lengths and channels; of videos, the
            sound is used.
        real: One file per clip.
        backbones: Networks whose features the distances are computed from.
        settings: How folders are compared.
        cache: Cached features.
        against: Another method's sounds, for the same clips.
        labels: Category of each clip, for a table by category.
        metrics: Metrics computed sound by sound: of every readable sound, silent ones too, since silence may
            be right; with ``against``, of the clips that both methods have.
        on_file: Called with finished and all files.

    Raises:
        MediaError: If a folder holds no sound.
        CinefoleyError: If names do not match, or fewer than 2 usable clips are left on a side.
        ValueError: If there are such metrics and clips are not paired by name.
    """
    if metrics and not settings.is_paired:
        raise ValueError("per-clip metrics need clips that are paired by name")
    folders = {"generated": generated} | ({} if against is None else {"against": against})
    pairs = {name: pair_folders(folder, real, settings) for name, folder in folders.items()}
    files = {
        path for found in pairs.values() for path in (*(s.path for s in found.samples), *found.real.values())
    }
    features = embed_files(
        sorted(files), backbones, reading=settings.protocol.reading, cache=cache, on_file=on_file
    )
    names = [backbone.name for backbone in backbones]
    jobs = {name: FolderComparison(found, features, names, settings) for name, found in pairs.items()}
    usable = {sample.clip for sample in jobs["generated"].samples}
    if against is not None and settings.is_paired:
        usable &= {sample.clip for sample in jobs["against"].samples}
        jobs = {name: job.restricted(usable) for name, job in jobs.items()}
    for name, job in jobs.items():
        job.check_enough(folders[name], real)
    per_clip = PerClipScores(metrics, pairs, features, settings)
    scores = {name: job.scores(with_intervals=True) | per_clip.scores(name) for name, job in jobs.items()}
    first, missing = jobs["generated"], Score(skipped="not measured")
    return Evaluation(
        scores=scores["generated"],
        protocol=first.protocol(backbones) | per_clip.protocol(),
        left_out=[
            entry for name, job in jobs.items() for entry in (*job.left_out(name), *per_clip.left_out(name))
        ],
        against=scores.get("against", {}),
        differences={
            metric: combine(metric, [scores["generated"].get(metric, missing), other], difference)
            for metric, other in scores.get("against", {}).items()
        },
        categories=_by_category(first, per_clip, labels or {}),
    )


def _by_category(
    job: FolderComparison, per_clip: PerClipScores, labels: Mapping[str, str]
) -> dict[str, dict[str, Score]]:
    categories: dict[str, set[str]] = {}
    for clip in sorted({sample.clip for sample in job.samples} | per_clip.clips):
        if clip in labels:
            categories.setdefault(labels[clip], set()).add(clip)
    table = {}
    for name in sorted(categories):
        part = job.restricted(categories[name])
        scores = part.scores(with_intervals=False) if part.num_clips >= FEWEST_CLIPS else {}
        count = Score(value=float(part.num_clips))
        table[name] = {"clips": count} | scores | per_clip.scores("generated", categories[name])
    return table
