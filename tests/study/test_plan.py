from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.study.plan import PlannedTrial, list_pairs, plan_trials, williams_row

CLIPS = st.integers(1, 12).map(lambda count: [f"clip{n}.mp4" for n in range(count)])
METHODS = st.integers(2, 4).map(lambda count: [f"method {n}" for n in range(count)])


def lefts(trials: list[PlannedTrial]) -> Counter[tuple[str, frozenset[str], str]]:
    return Counter((trial.clip, frozenset((trial.left, trial.right)), trial.left) for trial in trials)


@given(CLIPS, METHODS, st.integers(0, 100), st.integers(0, 9))
def test_without_a_limit_a_participant_meets_every_pair_once(
    clips: list[str], methods: list[str], number: int, seed: int
) -> None:
    pairs = list_pairs(clips, methods, seed=seed)
    trials = plan_trials(number, pairs, seed=seed)

    assert len(pairs) == len(clips) * len(methods) * (len(methods) - 1) // 2
    met = Counter((trial.clip, frozenset((trial.left, trial.right))) for trial in trials)
    assert met == Counter((clip, frozenset((first, second))) for clip, first, second in pairs)


@given(CLIPS, METHODS, st.integers(1, 30), st.integers(1, 30), st.integers(0, 9))
def test_in_no_pair_is_a_method_on_the_left_more_than_once_too_often(
    clips: list[str], methods: list[str], participants: int, limit: int, seed: int
) -> None:
    pairs = list_pairs(clips, methods, seed=seed)
    counts: Counter[tuple[str, frozenset[str], str]] = Counter()
    for number in range(participants):
        counts += lefts(plan_trials(number, pairs, pairs_per_participant=limit, seed=seed))

    for clip, first, second in pairs:
        both = frozenset((first, second))
        difference = counts[clip, both, first] - counts[clip, both, second]
        assert abs(difference) <= 1
        assert difference == 0 or participants % 2


@given(CLIPS, st.integers(0, 30), st.integers(0, 9))
def test_a_participant_has_either_of_two_methods_on_the_left_equally_often(
    clips: list[str], number: int, seed: int
) -> None:
    trials = plan_trials(number, list_pairs(clips, ["a", "b"], seed=seed), seed=seed)

    left = Counter(trial.left for trial in trials)
    assert abs(left["a"] - left["b"]) <= 1


@given(CLIPS, METHODS, st.integers(1, 20), st.integers(1, 20), st.integers(0, 9))
def test_with_a_limit_every_pair_is_shown_equally_often(
    clips: list[str], methods: list[str], twos: int, limit: int, seed: int
) -> None:
    pairs = list_pairs(clips, methods, seed=seed)
    shown: Counter[tuple[str, frozenset[str]]] = Counter({(c, frozenset((a, b))): 0 for c, a, b in pairs})
    for number in range(2 * twos):
        trials = plan_trials(number, pairs, pairs_per_participant=limit, seed=seed)
        assert len(trials) == min(limit, len(pairs))
        shown.update((trial.clip, frozenset((trial.left, trial.right))) for trial in trials)

    assert max(shown.values()) - min(shown.values()) <= 2


@given(CLIPS)
def test_over_a_round_every_pair_stands_at_every_place_equally_often(clips: list[str]) -> None:
    pairs = list_pairs(clips, ["a", "b"])
    places: Counter[tuple[str, int]] = Counter()
    for number in range(2 * len(pairs)):
        places.update((trial.clip, place) for place, trial in enumerate(plan_trials(number, pairs)))

    assert set(places.values()) == {2}
    assert len(places) == len(pairs) ** 2


@given(st.integers(2, 15))
def test_over_rows_and_their_reverses_each_thing_follows_each_other_one_equally_often(size: int) -> None:
    follows: Counter[tuple[int, int]] = Counter()
    for row in (williams_row(number, size) for number in range(size)):
        follows.update(pairwise(row))
        follows.update(pairwise(reversed(row)))

    assert set(follows.values()) == {2}
    assert len(follows) == size * (size - 1)


@given(CLIPS, st.integers(1, 4), st.integers(0, 40), st.integers(0, 9))
def test_attention_checks_are_all_there_and_never_first(
    clips: list[str], count: int, number: int, seed: int
) -> None:
    checks = ["x.mp4", "y.mp4", "z.mp4"]
    trials = plan_trials(
        number, list_pairs(clips, ["a", "b"]), checks=checks, checks_per_participant=count, seed=seed
    )

    found = [trial for trial in trials if trial.kind == "attention"]
    assert len(found) == min(count, 3) == len({trial.clip for trial in found})
    assert {frozenset((trial.left, trial.right)) for trial in found} == {frozenset(("better", "worse"))}
    assert trials[0].kind == "pair"
    assert len(trials) == len(clips) + len(found)


def test_the_same_participant_gets_the_same_trials_again_and_another_seed_others() -> None:
    pairs = list_pairs([f"{n}.mp4" for n in range(8)], ["a", "b"])

    assert plan_trials(5, pairs, seed=1) == plan_trials(5, pairs, seed=1)
    assert plan_trials(5, pairs, seed=1) != plan_trials(5, pairs, seed=2)


@pytest.mark.parametrize("name", ["'; DROP TABLE votes; --", "../../etc/passwd.mp4", "<script>.mp4"])
def test_names_are_only_names(name: str) -> None:
    assert plan_trials(0, list_pairs([name], ["a", "b"]))[0].clip == name
