import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from cinefoley.errors import StudyError
from cinefoley.study.plan import PlannedTrial
from cinefoley.study.store import Participant, VoteStore

ODD = "'); DROP TABLE votes; -- ../../x \" é 🎬.mp4"


def add(store: VoteStore, name: str, clips: tuple[str, ...] = ("rain.mp4",)) -> Participant:
    return store.add_participant(
        token=f"token {name}",
        nonce=f"nonce {name}",
        consent="digest",
        consent_text="text",
        beeps=3,
        now=1.0,
        plan=lambda number: [
            (f"{name} {place}", PlannedTrial("pair", clip, "a", "b")) for place, clip in enumerate(clips)
        ],
    )


def test_odd_names_come_back_as_they_were(tmp_path: Path) -> None:
    store = VoteStore(tmp_path / f"{'x' * 20}'; %20#?.sqlite")
    add(store, ODD, (ODD,))
    trial = store.find_trial(f"{ODD} 0")
    assert trial is not None
    store.add_vote(trial.id, "right", [ODD], ODD, 2.0)

    found = store.list_trials()[0]
    assert (found.clip, found.choice, found.reasons, found.comment) == (ODD, "right", (ODD,), ODD)
    store.close()


def test_a_trial_takes_one_vote(tmp_path: Path) -> None:
    store = VoteStore(tmp_path / "votes.sqlite")
    add(store, "anna")
    store.add_vote(1, "left", [], "", 2.0)

    with pytest.raises(StudyError, match=r"UNIQUE constraint failed: votes\.trial"):
        store.add_vote(1, "right", [], "", 3.0)
    store.close()


def test_what_a_failed_transaction_wrote_is_gone(tmp_path: Path) -> None:
    store = VoteStore(tmp_path / "votes.sqlite")

    def fail() -> None:
        with store.transaction():
            add(store, "anna")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.list_participants() == []
    assert store.list_trials() == []
    store.close()


def test_two_stores_on_one_file_wait_for_each_other(tmp_path: Path) -> None:
    stores = [VoteStore(tmp_path / "votes.sqlite") for _ in range(2)]
    threads = [
        threading.Thread(target=lambda n=n: [add(stores[n], f"{n} {i}") for i in range(20)]) for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(p.number or 0 for p in stores[0].list_participants()) == list(range(40))
    for store in stores:
        store.close()


def test_every_commit_is_synchronised_and_the_file_is_the_owners(tmp_path: Path) -> None:
    store = VoteStore(tmp_path / "votes.sqlite")

    assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert store._db.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert stat.S_IMODE((tmp_path / "votes.sqlite").stat().st_mode) == 0o600
    store.close()


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "votes.sqlite"
    path.write_text("participant,clip,vote\n" * 100)

    with pytest.raises(StudyError, match="file is not a database"):
        VoteStore(path)


def test_somebody_elses_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "photos.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE study (name TEXT)")
    db.close()
    before = path.read_bytes()

    for creates in (True, False):
        with pytest.raises(StudyError, match="not a vote store"):
            VoteStore(path, creates=creates)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["photos.sqlite"]


def test_a_missing_file_is_only_made_when_asked_for(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no votes here\. Collect some with `cinefoley study serve"):
        VoteStore(tmp_path / "votes.sqlite", creates=False)
    with pytest.raises(StudyError, match="cannot be written"):
        VoteStore(tmp_path / "missing" / "votes.sqlite")


def test_a_vote_on_no_trial_is_refused_by_the_file_itself(tmp_path: Path) -> None:
    store = VoteStore(tmp_path / "votes.sqlite")

    with pytest.raises(StudyError, match="FOREIGN KEY") as caught:
        store.add_vote(99, "left", [], "", 2.0)
    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
    store.close()
