"""Ratios of sums over samples, and their intervals over clips."""

from pathlib import Path

import numpy as np
import pytest

from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import Ratio, ratio_scores


def parts_of(shares: dict[str, list[tuple[float, float]]]) -> dict[Sample, tuple[float, float]]:
    return {
        Sample(clip, number, Path(f"{clip}.{number}.wav")): pair
        for clip, pairs in shares.items()
        for number, pair in enumerate(pairs)
    }


def test_sums_come_before_the_ratio_and_only_chosen_clips_count() -> None:
    ratio = Ratio(parts=parts_of({"a": [(1, 1), (0, 2)], "b": [(3, 5)], "c": [(100, 100)]}))
    assert ratio_scores({"m": ratio}, {"a", "b"})["m"].value == pytest.approx(4 / 8)


def test_nothing_to_find_is_what_the_metric_says_and_nothing_judged_is_skipped() -> None:
    parts = parts_of({"a": [(0, 0)]})
    assert ratio_scores({"m": Ratio(parts=parts, if_empty=1.0)}, {"a"})["m"].value == 1
    assert ratio_scores({"m": Ratio(parts=parts)}, {"a"})["m"].value is None
    skipped = ratio_scores({"m": Ratio(parts=parts, if_unmeasured="no film")}, {"b"})["m"]
    assert (skipped.value, skipped.skipped) == (None, "no film")


def test_the_interval_is_that_of_resampled_clips_with_all_their_samples() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    right = rng.random(200) < 0.7
    one = {f"c{n:03d}": [(float(x), 1.0)] for n, x in enumerate(right)}
    five = {clip: pairs * 5 for clip, pairs in one.items()}
    scores = [
        ratio_scores({"m": Ratio(parts=parts_of(shares))}, one, replicas=2000, seed=3)["m"]
        for shares in (one, five)
    ]
    assert scores[0] == scores[1]
    low, high, share = scores[0].low, scores[0].high, right.mean()
    assert low is not None
    assert high is not None
    width = 1.96 * np.sqrt(share * (1 - share) / 200)
    assert low == pytest.approx(share - width, abs=0.012)
    assert high == pytest.approx(share + width, abs=0.012)


def test_an_interval_never_leaves_what_is_possible() -> None:
    shares = {f"c{n:02d}": [(1.0, 1.0)] for n in range(19)} | {"c19": [(0.0, 1.0)]}
    score = ratio_scores({"m": Ratio(parts=parts_of(shares))}, shares, replicas=500)["m"]
    assert score.high == 1
    assert score.low is not None
    assert 0.8 < score.low < 0.95


def test_two_methods_and_two_metrics_see_the_same_drawn_clips() -> None:
    one = {f"c{n:02d}": [(n / 20, 1.0)] for n in range(20)}
    other = {clip: [(share + 0.1, 1.0)] for clip, [(share, _)] in one.items()}
    methods = [
        ratio_scores({"m": Ratio(parts=parts_of(shares))}, one, replicas=50, seed=1)["m"]
        for shares in (one, other)
    ]
    differences = np.subtract(methods[1].replicas, methods[0].replicas)
    assert differences == pytest.approx(np.full(50, 0.1))


def test_clips_that_are_drawn_but_not_judged_add_nothing() -> None:
    judged = {f"c{n:02d}": [(1.0, 1.0)] for n in range(12)}
    clips = {*judged, *(f"d{n:03d}" for n in range(400))}
    score = ratio_scores({"m": Ratio(parts=parts_of(judged))}, clips, replicas=300)["m"]
    assert (score.value, score.low, score.high) == (1, 1, 1)


def test_fewer_than_ten_judged_clips_have_no_interval() -> None:
    shares = {f"c{n}": [(1.0, 2.0)] for n in range(9)}
    clips = {*shares, *"abcdef"}
    score = ratio_scores({"m": Ratio(parts=parts_of(shares))}, clips, replicas=50)["m"]
    assert (score.value, score.low) == (0.5, None)
