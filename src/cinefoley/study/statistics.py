"""Statistics of preferences: exact test, Wilson interval, and a summary over participants."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import stats

__all__ = ["ParticipantSummary", "Preference", "adjust_for_several_tests", "prefer", "summarise_participants"]

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Votes for one of two methods."""

    votes: int
    """Votes for the method."""
    total: int
    """All votes."""
    share: float | None
    """``votes / total``; None without votes."""
    low: float | None
    """Lower end of Wilson's 95 % interval of the share."""
    high: float | None
    """Upper end."""
    p_value: float | None
    """Exact two-sided binomial test of a share of one half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantSummary:
    """Summary over participants, each counted once.

    Votes of one person are correlated, so an interval over votes is too narrow if people differ. This
    interval is over participants.
    """

    participants: int
    """Number of participants with a vote."""
    mean_share: float | None
    """Mean over participants of their share of votes for the method."""
    low: float | None
    """Lower end of its 95 % interval (Student's t), inside [0, 1]; None for fewer than two participants, or
    if all have the same share."""
    high: float | None
    """Upper end."""
    for_it: int
    """Participants who chose the method more often than the other."""
    against_it: int
    """Participants who chose it less often; the others are undecided."""
    p_value: float | None
    """Exact two-sided sign test over participants, without the undecided ones."""


def prefer(votes: int, total: int) -> Preference:
    """Test and confidence interval of a number of votes.

    Source: Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 1927, without
    continuity correction; the test sums the probabilities of all outcomes no more likely than the one seen.

    Args:
        votes: Votes for the method, at least 0.
        total: All votes, at least ``votes``.

    Raises:
        ValueError: If the numbers are out of range.

    Examples:
        >>> result = prefer(462, 620)
        >>> f"{result.share:.4f} {result.low:.4f} {result.high:.4f}"
        '0.7452 0.7094 0.7779'
    """
    if not 0 <= votes <= total:
        raise ValueError(f"votes must be 0 to {total}, got {votes}")
    if total == 0:
        return Preference(votes=0, total=0, share=None, low=None, high=None, p_value=None)
    test = stats.binomtest(votes, total, 0.5)
    interval = test.proportion_ci(_CONFIDENCE, method="wilson")
    return Preference(
        votes=votes,
        total=total,
        share=votes / total,
        low=float(interval.low),
        high=float(interval.high),
        p_value=float(test.pvalue),
    )


def summarise_participants(counts: Sequence[tuple[int, int]]) -> ParticipantSummary:
    """Summarise votes over participants.

    Args:
        counts: For each participant, the votes for the method and for the other; participants without votes
            are
            ignored.
    """
    voted = [(one, other) for one, other in counts if one + other]
    shares = np.array([one / (one + other) for one, other in voted])
    for_it = sum(one > other for one, other in voted)
    against_it = sum(one < other for one, other in voted)
    low = high = None
    if len(shares) > 1 and shares.std() > 0:  # the spread between people is unknown otherwise
        margin = stats.t.ppf((1 + _CONFIDENCE) / 2, len(shares) - 1) * shares.std(ddof=1) / sqrt(len(shares))
        low, high = float(max(0.0, shares.mean() - margin)), float(min(1.0, shares.mean() + margin))
    return ParticipantSummary(
        participants=len(voted),
        mean_share=float(shares.mean()) if voted else None,
        low=low,
        high=high,
        for_it=for_it,
        against_it=against_it,
        p_value=prefer(for_it, for_it + against_it).p_value,
    )


def adjust_for_several_tests(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjustment: rejections below 0.05 have a chance below 0.05 to include a wrong one.

    Source: Holm, *A simple sequentially rejective multiple test procedure*, Scand. J. Statist. 1979.

    Args:
        p_values: p values of all tests; None, for a test without data, stays None.

    Examples:
        >>> adjust_for_several_tests([0.01, 0.04, None])
        [0.02, 0.04, None]
    """
    tested = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (value, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * value))
        adjusted[place] = largest
    return adjusted
