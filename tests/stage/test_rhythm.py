import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.stage.rhythm import MIN_GAP_S, Hits, draw_hits, draw_spells, keep_apart

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


def test_force_belongs_to_the_blow_that_is_coming() -> None:
    assert HITS.force(0.0) == 0.5
    assert HITS.force(2.0) == 0.5
    assert HITS.force(2.6) == 0.9
    assert HITS.swing(2.7) > HITS.swing(0.7)


def test_fade_falls_to_nothing_and_grows_with_strength() -> None:
    assert HITS.fade(0.9, 0.5) == 0
    assert 0 < HITS.fade(1.0, 0.5) < HITS.fade(3.0, 0.5)
    assert HITS.fade(1.5, 0.5) == 0


def test_activity_lasts_as_long_as_the_event() -> None:
    spell = Hits(np.array([1.0]), np.array([0.8]), np.array([1.5]))
    assert spell.activity(0.99) == 0
    assert spell.activity(1.8) == pytest.approx(0.8)
    assert spell.activity(2.71) == 0
    assert spell.progress(1.75) == pytest.approx(0.5)
    assert (spell.progress(0.5), spell.progress(5.0)) == (1.0, 1.0)


@given(seed=st.integers(0, 10_000), duration_s=st.floats(1.0, 12.0))
def test_spells_keep_inside_the_clip_and_apart(seed: int, duration_s: float) -> None:
    spells = draw_spells(np.random.default_rng(seed), duration_s)
    ends = spells.times + spells.durations
    assert (ends <= duration_s - 0.3 + 1e-9).all()
    assert (spells.times >= 0.2).all()
    assert (spells.durations > 0).all()
    assert (spells.times[1:] - ends[:-1] >= 0.6 - 1e-9).all()


@given(seed=st.integers(0, 10_000))
def test_strokes_end_before_the_next(seed: int) -> None:
    strokes = draw_hits(np.random.default_rng(seed), 8.0, stroke_s=0.48)
    assert (strokes.durations == 0.48).all()
    assert (np.diff(strokes.times) >= MIN_GAP_S - 1e-9).all()


def test_rhythms_are_of_every_sort() -> None:
    drawn = [draw_hits(np.random.default_rng(seed), 8.0).times for seed in range(300)]
    silent = sum(len(times) == 0 for times in drawn)
    single = sum(len(times) == 1 for times in drawn)
    regular = sum(len(times) > 3 and np.diff(times).std() < 0.07 for times in drawn)
    assert 5 <= silent <= 35
    assert 25 <= single <= 70
    assert 80 <= regular <= 160


def test_two_sources_do_not_act_at_once() -> None:
    second = Hits(np.array([0.8, 2.0, 3.2]), np.array([0.4, 0.5, 0.6]))
    kept = keep_apart(HITS, second, gap_s=0.3)
    assert kept.times.tolist() == [2.0]
    assert kept.strengths.tolist() == [0.5]
    assert keep_apart(Hits(np.empty(0), np.empty(0)), second, gap_s=0.3) is second
