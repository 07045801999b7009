from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import pytest
from tests.study.bench import Bench, MakeBench

from cinefoley.errors import StudyError, VoteRefusedError
from cinefoley.study.sessions import Standing
from cinefoley.study.store import Choice


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(VoteRefusedError) as caught:
        call()
    return cast("str", caught.value.reason)


def test_a_participant_goes_from_consent_to_thanks(bench: Bench) -> None:
    token = bench.sessions.begin("a" * 32)
    assert bench.sessions.standing(token) == Standing(stage="sound", answered=0, total=5)

    bench.sessions.check_beeps(token, bench.sessions.beeps(token))
    for answered in range(5):
        standing = bench.sessions.standing(token)
        assert (standing.stage, standing.answered, standing.played) == ("trial", answered, ())
        trial = bench.watch(token)
        bench.sessions.vote(token, trial, "left", reasons=["sound quality"], comment=" loud ")

    assert bench.sessions.standing(token) == Standing(stage="done", answered=5, total=5)
    assert {trial.comment for trial in bench.store.list_trials()} == {"loud"}


def test_agreeing_twice_on_one_page_makes_one_participant(bench: Bench) -> None:
    assert bench.sessions.begin("a" * 32) == bench.sessions.begin("a" * 32)
    assert len(bench.store.list_participants()) == 1


@pytest.mark.parametrize("nonce", ["", "short", "x" * 65, "a" * 31 + "'", "é" * 32])
def test_a_page_number_that_is_none_is_refused(bench: Bench, nonce: str) -> None:
    assert refusal(lambda: bench.sessions.begin(nonce)) == "invalid"


def test_after_a_wrong_count_the_number_of_beeps_is_another(bench: Bench) -> None:
    token = bench.sessions.begin("a" * 32)
    before = bench.sessions.beeps(token)

    assert not bench.sessions.check_beeps(token, before + 1)
    assert bench.sessions.beeps(token) != before
    assert bench.sessions.standing(token).stage == "sound"
    assert bench.store.list_participants()[0].wrong_beeps == 1


def test_the_same_vote_sent_again_is_counted_once_and_acknowledged(bench: Bench) -> None:
    token = bench.arrive()
    trial = bench.watch(token)
    first = bench.sessions.vote(token, trial, "left")

    assert bench.sessions.vote(token, trial, "left") == first
    assert sum(t.choice is not None for t in bench.store.list_trials()) == 1


def test_a_second_thought_does_not_replace_a_vote(bench: Bench) -> None:
    token = bench.arrive()
    trial = bench.watch(token)
    bench.sessions.vote(token, trial, "left")

    assert refusal(lambda: bench.sessions.vote(token, trial, "right")) == "taken"
    assert bench.stored(trial).choice == "left"


def test_nobody_votes_for_another_participant(bench: Bench) -> None:
    token, other = bench.arrive(), bench.arrive()
    trial = bench.watch(token)

    assert refusal(lambda: bench.sessions.vote(other, trial, "left")) == "unknown"
    assert refusal(lambda: bench.sessions.mark_played(other, trial, "left")) == "unknown"


@pytest.mark.parametrize("forged", ["", "x", "' OR 1=1 --", "../../etc/passwd", "\x00"])
def test_forged_secrets_open_nothing(bench: Bench, forged: str) -> None:
    token = bench.arrive()
    trial = bench.watch(token)

    assert refusal(lambda: bench.sessions.vote(forged, trial, "left")) == "unknown"
    assert refusal(lambda: bench.sessions.vote(token, forged, "left")) == "unknown"
    assert refusal(lambda: bench.sessions.standing(forged)) == "unknown"
    assert refusal(lambda: bench.sessions.video(forged, "left")) == "unknown"


def test_a_vote_before_both_videos_were_played_is_too_early(bench: Bench) -> None:
    token = bench.arrive()
    trial = bench.turn(token)

    assert refusal(lambda: bench.sessions.vote(token, trial, "left")) == "early"
    bench.clock.now += 0.5
    bench.sessions.mark_played(token, trial, "right")
    assert bench.sessions.standing(token).played == ("right",)
    assert refusal(lambda: bench.sessions.vote(token, trial, "left")) == "early"


def test_a_video_cannot_be_played_in_less_time_than_it_takes(bench: Bench) -> None:
    token = bench.arrive()
    trial = bench.turn(token)

    bench.clock.now += 0.3
    assert refusal(lambda: bench.sessions.mark_played(token, trial, "left")) == "early"
    bench.clock.now += 0.3
    bench.sessions.mark_played(token, trial, "left")
    assert refusal(lambda: bench.sessions.mark_played(token, trial, "right")) == "early"


def test_trials_are_answered_in_their_order(bench: Bench) -> None:
    token = bench.arrive()
    later = bench.store.list_trials()[1].token
    bench.clock.now += 100

    assert refusal(lambda: bench.sessions.mark_played(token, later, "left")) == "early"
    assert refusal(lambda: bench.sessions.vote(token, later, "left")) == "early"


def test_a_vote_before_the_sound_check_is_too_early(bench: Bench) -> None:
    token = bench.sessions.begin("a" * 32)
    trial = bench.store.list_trials()[0].token

    assert refusal(lambda: bench.sessions.vote(token, trial, "left")) == "early"


def test_after_the_end_no_vote_is_taken_but_a_counted_one_is_still_acknowledged(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(closes=datetime.fromtimestamp(1_000_100, UTC))
    token = bench.arrive()
    first = bench.watch(token)
    bench.sessions.vote(token, first, "left")
    second = bench.watch(token)
    bench.clock.now = 1_000_100.0

    assert refusal(lambda: bench.sessions.vote(token, second, "left")) == "closed"
    assert refusal(lambda: bench.sessions.begin("b" * 32)) == "closed"
    assert bench.sessions.vote(token, first, "left").stage == "closed"
    assert sum(t.choice is not None for t in bench.store.list_trials()) == 1


def test_what_is_withdrawn_is_in_no_file_any_more(bench: Bench) -> None:
    token = bench.arrive()
    remark = "a remark that nobody shall read"
    bench.sessions.vote(token, bench.watch(token), "left", comment=remark)
    files = [*bench.store.path.parent.glob(f"{bench.store.path.name}*")]
    assert any(remark.encode() in path.read_bytes() for path in files)
    bench.sessions.withdraw(token)

    assert not [path.name for path in files if path.exists() and remark.encode() in path.read_bytes()]


def test_a_full_study_takes_nobody_in_until_somebody_leaves(make_bench: MakeBench) -> None:
    bench = make_bench(participants=1)
    token = bench.arrive()

    assert refusal(lambda: bench.sessions.begin("b" * 32)) == "closed"
    assert bench.sessions.standing(token).stage == "trial"
    bench.sessions.withdraw(token)
    bench.sessions.begin("b" * 32)


def test_who_leaves_takes_the_votes_along_and_the_next_one_gets_the_plan(bench: Bench) -> None:
    token = bench.arrive()
    planned = [(t.clip, t.left) for t in bench.store.list_trials()]
    bench.sessions.vote(token, bench.watch(token), "left")

    assert bench.sessions.withdraw(token).stage == "withdrawn"
    assert bench.sessions.withdraw(token).stage == bench.sessions.standing(token).stage == "withdrawn"
    assert bench.store.list_trials() == []
    assert refusal(lambda: bench.sessions.check_beeps(token, 3)) == "closed"
    bench.arrive()
    assert [(t.clip, t.left) for t in bench.store.list_trials()] == planned


@pytest.mark.parametrize(
    ("reasons", "comment"),
    [(["because"], ""), (["sound quality", "sound quality"], ""), ([], "x" * 1001)],
)
def test_answers_that_were_not_offered_are_refused(bench: Bench, reasons: list[str], comment: str) -> None:
    token = bench.arrive()
    trial = bench.watch(token)

    call = lambda: bench.sessions.vote(token, trial, "left", reasons=reasons, comment=comment)  # noqa: E731
    assert refusal(call) == "invalid"
    assert refusal(lambda: bench.sessions.vote(token, trial, cast("Choice", "both"))) == "invalid"
    assert bench.sessions.standing(token).answered == 0


def test_the_same_study_goes_on_after_a_restart(make_bench: MakeBench) -> None:
    bench = make_bench()
    token = bench.arrive()
    bench.sessions.vote(token, bench.watch(token), "left")
    standing = bench.sessions.standing(token)
    bench.store.close()

    assert make_bench().sessions.standing(token) == standing


def test_votes_of_another_study_are_not_mixed_in(make_bench: MakeBench) -> None:
    make_bench()

    with pytest.raises(StudyError, match=r"contains votes of another study: seed was '0', now '3'"):
        make_bench(seed=3)


def test_what_participants_agreed_to_is_kept(bench: Bench) -> None:
    bench.arrive()

    participant = bench.store.list_participants()[0]
    assert participant.consent in str(bench.store._all("SELECT sha256 FROM consents")[0][0])
    assert bench.store._all("SELECT text FROM consents")[0][0] == bench.settings.consent
