"""Trial plan: which pairs a participant compares, in which order, with which method on which side.

Two consecutive participants see the same pairs, the second in reverse order and with the sides exchanged. So
after every even number of participants, each method of each pair was on the left exactly as often as on the
right. The orders are rows of a Williams design: over a full round, each pair is at each position equally
often, and follows each other pair equally often.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

__all__ = ["PlannedTrial", "list_pairs", "plan_trials", "williams_row"]

_Pair = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One trial with the methods, which participants do not see."""

    kind: Literal["pair", "attention"]
    """Comparison of two methods, or attention check."""
    clip: str
    """File name."""
    left: str
    """Method of video A; ``better`` or ``worse`` in an attention check."""
    right: str
    """Method of video B."""


def list_pairs(clips: Sequence[str], methods: Sequence[str], *, seed: int = 0) -> list[_Pair]:
    """All (clip, method, other method), in a random order."""
    pairs = [(clip, *both) for clip in clips for both in combinations(methods, 2)]
    random.Random(f"{seed}/pairs").shuffle(pairs)
    return pairs


def plan_trials(
    number: int,
    pairs: Sequence[_Pair],
    *,
    pairs_per_participant: int | None = None,
    checks: Sequence[str] = (),
    checks_per_participant: int = 0,
    seed: int = 0,
) -> list[PlannedTrial]:
    """The trials of one participant.

    Args:
        number: Number of the participant, from 0 in order of arrival.
        pairs: All pairs, from :func:`list_pairs`.
        pairs_per_participant: Number of pairs to show; None, or more than there are: all.
        checks: File names of the attention checks.
        checks_per_participant: Number of attention checks to show, at most all; none of them comes first.
        seed: Random seed of the sides and of the positions of the checks.

    Returns:
        Trials in the order in which they are shown. The same arguments return the same trials.
    """
    two, is_mirror = divmod(number, 2)
    count = min(pairs_per_participant or len(pairs), len(pairs))
    begin = two * count
    shown = [pairs[(begin + offset) % len(pairs)] for offset in range(count)]
    order = williams_row(begin // len(pairs), count)
    draw = random.Random(f"{seed}/sides/{two}")
    swaps = _balanced_swaps(count, draw)
    trials = [_pair_trial(shown[place], swaps[place] ^ bool(is_mirror)) for place in order]
    if is_mirror:
        trials.reverse()
    return _insert_checks(
        trials, _draw_checks(two, checks, checks_per_participant, bool(is_mirror), draw), draw
    )


def williams_row(row: int, size: int) -> list[int]:
    """One order of ``size`` items, a row of a Williams design (Williams, 1949).

    Over the rows 0 to ``size - 1``, each item is at each position once; over the rows and their reverses,
    each item is followed by each other item equally often.
    """
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(size)]
    return [(step + row) % size for step in zigzag]


def _balanced_swaps(count: int, draw: random.Random) -> list[bool]:
    """As many True as False, or one more of either."""
    more = draw.random() < 0.5
    swaps = [bool(place % 2) ^ more for place in range(count)]
    draw.shuffle(swaps)
    return swaps


def _pair_trial(pair: _Pair, is_swapped: bool) -> PlannedTrial:
    clip, left, right = pair
    return PlannedTrial("pair", clip, *((right, left) if is_swapped else (left, right)))


def _draw_checks(
    two: int, checks: Sequence[str], count: int, is_mirror: bool, draw: random.Random
) -> list[PlannedTrial]:
    count = min(count, len(checks))
    swaps = _balanced_swaps(count, draw)
    drawn = []
    for place, is_swapped in enumerate(swaps):
        sides = ("worse", "better") if is_swapped ^ is_mirror else ("better", "worse")
        drawn.append(PlannedTrial("attention", checks[(two * count + place) % len(checks)], *sides))
    return drawn


def _insert_checks(
    trials: Sequence[PlannedTrial], checks: Sequence[PlannedTrial], draw: random.Random
) -> list[PlannedTrial]:
    """Spread the checks over the trials: one in each of equal sections, after its first trial."""
    planned = list(trials)
    for number, check in reversed(list(enumerate(checks))):
        begin = len(trials) * number // len(checks)
        end = max(begin + 1, len(trials) * (number + 1) // len(checks))
        planned.insert(draw.randint(begin + 1, end), check)
    return planned
