from typing import Any

import pytest

from cinefoley.evaluation.paper.method_scores import METRICS, average, score_method
from cinefoley.evaluation.scores import Score, combine
from cinefoley.models.video_encoder import VideoEncoder


def test_scores_are_paired_over_the_same_clips(make_experiment: Any, teacher: VideoEncoder) -> None:
    experiment = make_experiment(10)
    real = experiment.read_real(teacher)
    scores = [
        score_method(real, experiment.measure(real, view), replicas=20) for view in ("full", "close_up")
    ]
    assert list(scores[0]) == [name for name in METRICS if name in scores[0]]
    assert {"FD", "KID", "KL", "IS", "Align Acc"} <= scores[0].keys()
    again = score_method(real, experiment.measure(real, "full"), replicas=20)
    assert again["Align Acc"].replicas == scores[0]["Align Acc"].replicas
    nothing = combine("FD", [scores[0]["FD"], again["FD"]], lambda a, b: a - b)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


def test_seeds_are_averaged_replica_by_replica() -> None:
    scores = [{"FD": Score(value=v, replicas=(v - 1, v, v + 1))} for v in (1.0, 3.0)]
    mean = average(scores)["FD"]
    assert (mean.value, mean.replicas) == (2.0, (1.0, 2.0, 3.0))
    assert mean.spread == pytest.approx(2**0.5)
    assert average(scores[:1])["FD"].value == 1.0


def test_what_one_method_lacks_has_no_difference() -> None:
    missing = combine("FD", [Score(value=1.0), Score(skipped="too few")], lambda a, b: a - b)
    assert (missing.value, missing.skipped) == (None, "too few")
