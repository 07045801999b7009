from math import comb, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.study.statistics import adjust_for_several_tests, prefer, summarise_participants

TOTALS = st.integers(1, 200).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(TOTALS)
def test_the_interval_is_wilsons(counts: tuple[int, int]) -> None:
    votes, total = counts
    z = 1.959963984540054
    share = votes / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    result = prefer(votes, total)

    assert result.low == pytest.approx(centre - half, abs=1e-12)
    assert result.high == pytest.approx(centre + half, abs=1e-12)


@given(TOTALS)
def test_the_test_is_the_exact_binomial_one(counts: tuple[int, int]) -> None:
    votes, total = counts
    further = abs(2 * votes - total)
    outcomes = sum(comb(total, k) for k in range(total + 1) if abs(2 * k - total) >= further)

    assert prefer(votes, total).p_value == pytest.approx(outcomes / 2**total)


@given(TOTALS)
def test_either_side_sees_the_same(counts: tuple[int, int]) -> None:
    votes, total = counts
    one, other = prefer(votes, total), prefer(total - votes, total)

    assert one.p_value == pytest.approx(other.p_value)
    assert one.low == pytest.approx(1 - (other.high or 0), abs=1e-12)


def test_without_votes_there_is_no_share() -> None:
    result = prefer(0, 0)

    assert (result.share, result.low, result.high, result.p_value) == (None, None, None, None)


@pytest.mark.parametrize(("votes", "total"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_refused(votes: int, total: int) -> None:
    with pytest.raises(ValueError, match="votes must be 0 to 3"):
        prefer(votes, total)


def test_participants_count_once_however_much_they_voted() -> None:
    summary = summarise_participants([(9, 1), (1, 1), (0, 0), (1, 3)])

    assert (summary.participants, summary.for_it, summary.against_it) == (3, 1, 1)
    assert summary.mean_share == pytest.approx((0.9 + 0.5 + 0.25) / 3)
    assert summary.p_value == 1.0
    # t(2) = 4.3027, standard deviation 0.32787
    assert summary.low == 0.0
    assert summary.high == 1.0


def test_the_interval_over_participants_is_students() -> None:
    summary = summarise_participants([(6, 4), (7, 3), (8, 2), (7, 3)])

    assert summary.low == pytest.approx(0.7 - 3.182446 * 0.0816497 / 2, abs=1e-5)
    assert summary.high == pytest.approx(0.7 + 3.182446 * 0.0816497 / 2, abs=1e-5)


def test_one_participant_has_no_interval_and_none_have_no_mean() -> None:
    assert summarise_participants([(3, 1)]).low is None
    assert summarise_participants([(5, 0), (3, 0)]).low is None, "two who agree are no certainty"
    assert summarise_participants([]).mean_share is None


def test_holms_adjustment_is_the_textbooks() -> None:
    assert adjust_for_several_tests([0.01, 0.04, 0.03, None]) == pytest.approx([0.03, 0.06, 0.06, None])
    assert adjust_for_several_tests([0.9, 0.8]) == [1.0, 1.0]
    assert adjust_for_several_tests([]) == []
