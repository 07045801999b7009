import numpy as np
import pytest

from cinefoley.evaluation.stage.take_summary import MeasuredTake, summarise_takes
from cinefoley.metrics.onsets import OnsetCounts


def make_take(seed: int, *, hits: int, missed: int, other_hits: int, aligned: bool) -> MeasuredTake:
    return MeasuredTake(
        seed=seed,
        kind="drum",
        take=0,
        probability=0.9 if aligned else 0.1,
        is_onset_like=True,
        own=OnsetCounts(hits=hits, missed=missed),
        other=OnsetCounts(hits=other_hits, missed=hits + missed - other_hits, extra=hits - other_hits),
        is_kind_heard=aligned,
        silences=0,
        kept_silences=0,
    )


def test_ratios_are_of_sums_and_their_intervals_hold_them() -> None:
    takes = [
        make_take(n, hits=3 if n % 4 else 1, missed=0 if n % 4 else 2, other_hits=1, aligned=n % 4 > 0)
        for n in range(40)
    ]
    report = summarise_takes(takes)
    assert report["alignment accuracy"].value == pytest.approx(0.75)
    assert report["onset F1"].value == pytest.approx(2 * 100 / (2 * 100 + 20))
    other = 2 * 40 / (2 * 40 + 60 + 80)
    assert report["onset F1, other clip"].value == pytest.approx(other)
    assert report["onset F1 margin"].value == pytest.approx(2 * 100 / 220 - other)
    assert "silence kept" not in report, "there was no silence to keep"
    for figure in report.values():
        assert figure.low < figure.value < figure.high
        assert figure.clips == 40


def test_clips_are_drawn_again_with_all_their_takes() -> None:
    """Ten takes of a clip are no ten clips: the interval of copies is as wide as that of one take each."""
    once = [make_take(n, hits=1, missed=0, other_hits=0, aligned=n % 2 > 0) for n in range(30)]
    widths = []
    for copies in (1, 10):
        figure = summarise_takes([take for take in once for _ in range(copies)])["alignment accuracy"]
        widths.append(figure.high - figure.low)
    assert widths[0] == pytest.approx(widths[1], rel=1e-6)
    assert np.isclose(widths[0], 0.36, atol=0.06)
