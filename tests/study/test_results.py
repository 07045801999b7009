import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.study.bench import Bench, MakeBench

from cinefoley.errors import StudyError
from cinefoley.study.definition import StudySettings
from cinefoley.study.results import Vote, collect_results, judge_votes, read_results, votes_path
from cinefoley.study.videos import find_videos


def for_ours(left: str, right: str) -> bool:
    return left in ("Ours", "better")


def for_the_left(left: str, right: str) -> bool:
    return True


def vote(participant: int, chosen: str, other: str, clip: str = "rain.mp4", *, is_left: bool = True) -> Vote:
    left, right = (chosen, other) if is_left else (other, chosen)
    return Vote(participant=participant, clip=clip, left=left, right=right, chosen=chosen)


def test_votes_are_counted_for_the_method_and_not_for_the_side(bench: Bench) -> None:
    for _ in range(4):
        bench.answer_all(bench.arrive(), for_ours)
    results = collect_results(bench.settings, bench.store)

    (pair,) = results.pairs
    assert (pair.first, pair.second) == ("Base", "Ours")
    assert (pair.preference.votes, pair.preference.total) == (16, 16)
    assert {clip: judged.votes for clip, judged in pair.clips.items()} == {
        f"clip{n}.mp4": 4 for n in range(4)
    }
    assert (results.left.votes, results.left.total) == (8, 16)
    assert results.turnout is not None
    assert (results.turnout.finished, results.turnout.checks_passed) == (4, 4)


def test_who_always_takes_the_left_is_found_by_the_side_and_the_checks(bench: Bench) -> None:
    for _ in range(4):
        bench.answer_all(bench.arrive(), for_the_left)
    results = collect_results(bench.settings, bench.store, keeps_inattentive=True)

    assert (results.left.votes, results.left.total) == (16, 16)
    assert results.pairs[0].preference.votes == 8
    assert results.turnout is not None
    assert results.turnout.inattentive == 2


def test_the_inattentive_do_not_count_unless_kept(bench: Bench) -> None:
    bench.answer_all(bench.arrive(), for_ours)
    bench.answer_all(bench.arrive(), lambda left, right: left in ("Ours", "worse"))

    assert collect_results(bench.settings, bench.store).pairs[0].preference.total == 4
    assert collect_results(bench.settings, bench.store, keeps_inattentive=True).pairs[0].preference.total == 8


def test_the_unfinished_count_unless_left_out(bench: Bench) -> None:
    token = bench.arrive()
    while not any(trial.kind == "pair" and trial.choice for trial in bench.store.list_trials()):
        bench.sessions.vote(token, bench.watch(token), "left")

    assert collect_results(bench.settings, bench.store, keeps_inattentive=True).votes
    assert not collect_results(bench.settings, bench.store, keeps_unfinished=False).votes


def test_who_left_does_not_count(bench: Bench) -> None:
    token = bench.arrive()
    bench.answer_all(token, for_ours)
    bench.sessions.withdraw(token)
    results = collect_results(bench.settings, bench.store)

    assert results.votes == []
    assert results.turnout is not None
    assert (results.turnout.began, results.turnout.withdrew, results.turnout.counted) == (1, 1, 0)


def test_of_three_methods_every_two_are_judged_and_adjusted_for_it() -> None:
    votes = [vote(n, "b", "a", is_left=n % 2 == 0) for n in range(10)] + [vote(n, "c", "a") for n in range(3)]
    results = judge_votes(["a", "b", "c"], votes)

    assert [(pair.first, pair.second) for pair in results.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    first, second, third = results.pairs
    assert first.preference.p_value == pytest.approx(2 / 1024)
    assert first.adjusted_p_value == pytest.approx(4 / 1024)
    assert second.adjusted_p_value == pytest.approx(0.25)
    assert third.preference.total == 0
    assert third.adjusted_p_value is None


def test_results_are_read_beside_the_file_without_its_videos(
    make_bench: MakeBench, study_folder: Path, tmp_path: Path
) -> None:
    bench = make_bench()
    bench.answer_all(bench.arrive(), for_ours)
    study = Path(shutil.copy(study_folder / "study.toml", tmp_path / "doors.toml"))
    bench.store.close()
    bench.store.path.rename(votes_path(study))

    assert votes_path(study).name == "doors.votes.sqlite"
    assert read_results(study).pairs[0].preference.votes == 4


def test_votes_between_other_methods_are_refused(bench: Bench, tmp_path: Path) -> None:
    study = tmp_path / "other.toml"
    study.write_text('[methods]\nOne = "a"\nTwo = "b"\n')

    with pytest.raises(
        StudyError, match=r"contains votes between Base, Ours, but .*other.toml compares One, Two"
    ):
        read_results(study, bench.store.path)


def test_three_methods_are_compared_two_at_a_time(
    settings: StudySettings, study_folder: Path, tmp_path: Path
) -> None:
    third = Path(shutil.copytree(study_folder / "ours", tmp_path / "third"))
    wider = replace(settings, methods={**settings.methods, "Third": third}, pairs_per_participant=6)
    bench = Bench(wider, find_videos(wider), tmp_path / "votes.sqlite")
    for _ in range(2):
        bench.answer_all(bench.arrive(), lambda left, right: left in ("Third", "better"))
    results = collect_results(bench.settings, bench.store)
    bench.store.close()

    assert [(pair.first, pair.second) for pair in results.pairs] == [
        ("Base", "Ours"),
        ("Base", "Third"),
        ("Ours", "Third"),
    ]
    assert sum(pair.preference.total for pair in results.pairs) == 12
    for pair in results.pairs[1:]:
        assert pair.preference.votes == pair.preference.total
