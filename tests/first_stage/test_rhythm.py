import numpy as np
import pytest

from cinefoley.first_stage.rhythm import Hits

HITS = Hits(np.array([1.0, 3.0]), np.array([0.5, 0.9]))


def test_wait_and_age_meet_at_an_event() -> None:
    assert HITS.wait(1.0) == 0
    assert HITS.age(1.0) == 0
    assert HITS.wait(2.5) == pytest.approx(0.5)
    assert HITS.age(2.5) == pytest.approx(1.5)


def test_nothing_lies_beyond_the_ends() -> None:
    assert HITS.wait(3.5) == float("inf")
    assert HITS.age(0.5) == float("inf")


def test_the_arm_is_down_at_the_event_and_falls_visibly_before_it() -> None:
    assert HITS.lift(3.0) == 0
    falling = [HITS.lift(3.0 - wait) for wait in (0.25, 0.20, 0.15, 0.10, 0.05)]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] - falling[-1] > 0.5


def test_a_silent_arm_rests() -> None:
    silent = Hits(np.empty(0), np.empty(0))
    assert {silent.lift(time_s) for time_s in (0.0, 1.7, 5.0)} == {0.55}
