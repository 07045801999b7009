"""Scores of one method: every metric of its takes with intervals, and the mean over training seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cinefoley.evaluation.folder.distribution_metrics import Side, score_sides
from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import Ratio, ratio_scores
from cinefoley.evaluation.folder.protocols import PROTOCOLS
from cinefoley.evaluation.paper.experiment import RealClips, ViewTakes
from cinefoley.evaluation.scores import DISTRIBUTION_METRICS, Score, bootstrap_draws, combine
from cinefoley.metrics.onsets import OnsetCounts

__all__ = ["METRICS", "average", "recovered_share", "score_method"]

METRICS = (*DISTRIBUTION_METRICS, "Align Acc", "onset F1", "visible onset F1", "off-screen energy", "E-L1")
"""Columns of a table, in the paper's order and then ours; undefined ones are omitted."""


def score_method(
    real: RealClips, takes: ViewTakes, *, replicas: int = 200, seed: int = 0
) -> dict[str, Score]:
    """Every metric of one encoder on one view, with 95 % intervals over clips.

    Args:
        real: The clips.
        takes: Measurements of their takes.
        replicas: Resamplings; 0 computes no intervals.
        seed: Of the resamplings: with the same one, and the same clips, two methods see the same drawn clips.

    Returns:
        By metric, without the names of backbones: a table's protocol line names them.
    """
    count, per_clip = takes.probability.shape
    clips = [row for row in range(count) for _ in range(per_clip)]
    draws = bootstrap_draws(count, replicas=replicas, seed=seed)
    scores: dict[str, Score] = {}
    if per_clip * count > 1:
        sides = score_sides(
            {name: Side(clips=range(count), embeddings=rows) for name, rows in real.embeddings.items()},
            {name: Side(clips=clips, embeddings=rows) for name, rows in takes.embeddings.items()},
            protocol=PROTOCOLS["cinefoley"],
            is_paired=True,
            real_draws=draws,
            generated_draws=draws,
        )
        scores = {name.partition("-")[0]: score for name, score in sides.items()}
    # names that sort as the rows do, so that both kinds of intervals see the same drawn clips
    names = [f"{row:09d}" for row in range(count)]
    ratios = ratio_scores(_ratios(takes, names), names, replicas=replicas, seed=seed)
    scores |= ratios
    return {name: scores[name] for name in METRICS if name in scores}


def average(several: Sequence[Mapping[str, Score]]) -> dict[str, Score]:
    """The mean over training seeds, replica by replica; ``spread`` is the seeds' standard deviation."""
    if len(several) == 1:
        return {name: replace(score, spread=None) for name, score in several[0].items()}
    found = {}
    for name in several[0]:
        spread = [score.value for scores in several if (score := scores[name]).value is not None]
        mean = combine(
            name,
            [scores[name] for scores in several],
            lambda *values: float(np.mean(np.asarray(values), axis=0)),
        )
        is_known = len(spread) == len(several)
        found[name] = replace(mean, spread=float(np.std(spread, ddof=1)) if is_known else None)
    return found


def recovered_share(student: float, teacher: float, full: float) -> float:
    """For :func:`combine`: the share of the teacher's loss against full view that a student wins back."""
    return (student - teacher) / (full - teacher) if full != teacher else float("nan")


def _ratios(takes: ViewTakes, names: Sequence[str]) -> dict[str, Ratio]:
    samples = [[Sample(name, take, Path()) for take in range(takes.probability.shape[1])] for name in names]
    flat = [sample for row in samples for sample in row]
    aligned = (takes.probability > 0.5).flatten().tolist()
    ratios = {
        "Align Acc": Ratio(
            parts={sample: (float(hit), 1.0) for sample, hit in zip(flat, aligned, strict=True)}
        )
    }
    for name, counts in (("onset F1", takes.onsets), ("visible onset F1", takes.visible_onsets)):
        parts = {
            sample: OnsetCounts(*row).f1_parts
            for sample, row in zip(flat, counts.flatten(0, 1).tolist(), strict=True)
            if row[0] >= 0
        }
        if parts:
            ratios[name] = Ratio(parts=parts, if_empty=1.0)
    energy = {
        sample: (share, 1.0)
        for sample, share in zip(flat, takes.off_screen.flatten().tolist(), strict=True)
        if share == share  # not NaN
    }
    if energy:
        ratios["off-screen energy"] = Ratio(parts=energy)
    if takes.envelope is not None:
        distances = zip(flat, takes.envelope.flatten().tolist(), strict=True)
        ratios["E-L1"] = Ratio(parts={sample: (distance, 1.0) for sample, distance in distances})
    return ratios
