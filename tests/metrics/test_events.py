import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.metrics.events import match_visible_onsets, off_screen_energy
from cinefoley.metrics.onsets import OnsetCounts, match_onsets

RATE = 1000
moments = st.lists(st.floats(0, 8), max_size=12).map(lambda times: np.sort(np.array(times)))


def spans(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


@given(detected=moments, events=moments)
def test_with_everything_in_the_frame_it_is_the_usual_match(detected: np.ndarray, events: np.ndarray) -> None:
    seen = np.ones(len(events), dtype=bool)
    assert match_visible_onsets(detected, events, seen) == match_onsets(detected, events)


@given(detected=moments, events=moments, flags=st.lists(st.booleans(), min_size=12, max_size=12))
def test_hidden_events_are_neither_asked_for_nor_blamed(
    detected: np.ndarray, events: np.ndarray, flags: list[bool]
) -> None:
    seen = np.array(flags[: len(events)], dtype=bool)
    counts = match_visible_onsets(detected, events, seen)
    assert counts.hits + counts.missed == int(seen.sum())
    assert 0 <= counts.extra <= match_onsets(detected, events[seen]).extra


def test_an_onset_at_a_hidden_event_is_excused_and_any_other_is_extra() -> None:
    events, seen = np.array([1.0, 2.0]), np.array([True, False])
    assert match_visible_onsets(np.array([1.0, 2.05, 3.0]), events, seen) == OnsetCounts(1, 1, 0)
    assert match_visible_onsets(np.empty(0), events, seen) == OnsetCounts(0, 0, 1)
    assert match_visible_onsets(np.empty(0), events, np.array([False, False])).f1 == 1.0


def test_noise_scores_the_share_of_time_and_silence_nothing() -> None:
    off = spans((0, 2), (1, 4))
    sounding = spans((3, 5))
    constant = torch.ones(10 * RATE)
    assert off_screen_energy(constant, sample_rate=RATE, off_screen=off, sounding=sounding) == pytest.approx(
        0.3
    )
    assert off_screen_energy(0 * constant, sample_rate=RATE, off_screen=off, sounding=sounding) == 0


def test_sound_where_it_belongs_costs_nothing_and_elsewhere_all() -> None:
    waveform = torch.zeros(10 * RATE)
    waveform[3500:3600] = 1
    off = spans((0, 4))
    right = off_screen_energy(waveform, sample_rate=RATE, off_screen=off, sounding=spans((3, 5)))
    wrong = off_screen_energy(waveform, sample_rate=RATE, off_screen=off, sounding=spans((6, 8)))
    assert (right, wrong) == (0, 1)


def test_there_is_nothing_to_judge_without_off_screen_silence() -> None:
    waveform = torch.ones(RATE)
    assert off_screen_energy(waveform, sample_rate=RATE, off_screen=spans(), sounding=spans()) is None
    covered = off_screen_energy(waveform, sample_rate=RATE, off_screen=spans((0, 1)), sounding=spans((0, 9)))
    assert covered is None


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="is_visible needs a flag for every event, got 1 for 2"):
        match_visible_onsets(np.empty(0), np.array([1.0, 2.0]), np.array([True]))
    with pytest.raises(ValueError, match=r"finite and \(N,\)"):
        off_screen_energy(torch.full((9,), np.nan), sample_rate=9, off_screen=spans(), sounding=spans())
    with pytest.raises(ValueError, match="must not end before it begins, got 2 to 1 s"):
        off_screen_energy(torch.ones(9), sample_rate=9, off_screen=spans((2, 1)), sounding=spans())
