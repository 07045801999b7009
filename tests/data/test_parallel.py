import os
import signal
import time
from pathlib import Path

import pytest
import torch
from distributed import get_worker
from tests.dask_cluster import threads

from cinefoley.data import parallel as engines
from cinefoley.data.parallel import Engine, run_tasks
from cinefoley.errors import CinefoleyError, DataError


def double(number: int) -> int:
    return 2 * number


def current_folder(_: int) -> Path:
    return Path.cwd()


def count_threads(_: int) -> int:
    return torch.get_num_threads()


def refuse(number: int) -> int:
    raise CinefoleyError(f"{number} is refused")


class DiesOnce:
    """Work that kills its process at the first task ever, and never again."""

    def __init__(self, note: Path) -> None:
        self.note = note

    def __call__(self, number: int) -> int:
        if not self.note.exists():
            self.note.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number


def die(number: int) -> int:
    time.sleep(0)
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_has_one_result(jobs: int) -> None:
    assert sorted(run_tasks(double, range(5), Engine(jobs=jobs))) == [0, 2, 4, 6, 8]
    assert list(run_tasks(double, [], Engine(jobs=jobs))) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_work_raises_comes_through(jobs: int) -> None:
    with pytest.raises(CinefoleyError, match="0 is refused"):
        list(run_tasks(refuse, [0], Engine(jobs=jobs)))


def test_the_tasks_of_a_worker_that_died_are_done_by_others(tmp_path: Path) -> None:
    assert sorted(run_tasks(DiesOnce(tmp_path / "died"), range(4), Engine(jobs=2))) == [0, 1, 2, 3]
    assert (tmp_path / "died").exists()


def test_workers_that_only_die_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_MOST_DEATHS", 0)
    with pytest.raises(DataError, match=r"died 1 times without finishing anything.*fewer --workers"):
        list(run_tasks(die, range(2), Engine(jobs=2)))


def test_processes_that_share_a_machine_use_one_thread_each() -> None:
    before = torch.get_num_threads()
    assert set(run_tasks(count_threads, range(2), Engine(jobs=2))) == {1}
    assert list(run_tasks(count_threads, range(2), Engine())) == [before, before]


def test_results_that_nobody_waits_for_any_more_are_dropped() -> None:
    results = run_tasks(double, range(100), Engine(jobs=2))
    assert next(results) in {2 * number for number in range(100)}
    results.close()


def test_dropping_work_leaves_the_processes_in_order() -> None:
    """joblib's own way lost the thread that feeds them in one of eight such rounds."""
    for _ in range(15):
        results = run_tasks(double, range(100), Engine(jobs=2))
        next(results)
        results.close()
        assert sorted(run_tasks(double, range(5), Engine(jobs=2))) == [0, 2, 4, 6, 8]


class LeavesTheRestToOthers:
    """Work at which worker 0 is so slow that the others do everything else meanwhile."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count

    def __call__(self, number: int) -> str:
        worker = str(get_worker().name)
        (self.folder / f"{number}.begun").touch(exist_ok=False)  # fails if it is done twice
        deadline = time.monotonic() + 60
        while worker == "0" and len(list(self.folder.glob("*.done"))) < self.count - 1:
            assert time.monotonic() < deadline, "nobody takes the share of the slow worker"
            time.sleep(0.01)
        (self.folder / f"{number}.done").touch()
        return worker


def test_a_slow_worker_leaves_its_share_to_the_others(tmp_path: Path) -> None:
    """Of 20 tasks it does the one that it has begun; nothing is lost, and nothing done twice."""
    with threads(2) as address:
        work = LeavesTheRestToOthers(tmp_path, 20)
        done_by = list(run_tasks(work, range(20), Engine(name="dask", scheduler=address)))
    assert sorted(done_by) == ["0", *["1"] * 19]
    assert len(list(tmp_path.glob("*.done"))) == 20


def test_relative_paths_mean_the_same_to_a_worker_where_it_sees_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seen").mkdir()
    for folder, expected in (("unseen", tmp_path), ("seen", tmp_path / "seen")):
        work = engines._Numbered(current_folder, is_one_of_several=False, folder=tmp_path / folder)
        assert work(3, 0) == (3, expected)


def touch_and_fail(path: Path) -> None:
    path.touch()
    time.sleep(0.2)  # work takes its time; what takes none is begun before anybody hears of the first
    raise OSError("no space")


def test_after_a_failure_hardly_anything_is_begun(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(50)]
    with pytest.raises(OSError, match="no space") as failure:
        list(run_tasks(touch_and_fail, paths, Engine(jobs=2)))
    assert len(list(tmp_path.iterdir())) <= 10
    assert any("touch_and_fail" in note for note in failure.value.__notes__)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "jobs must not be 0"),
        ({"name": "dask"}, "needs a scheduler's address"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "no other engine takes one"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Engine(**options)  # type: ignore[arg-type]


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_CONNECT_S", 1)
    engine = Engine(name="dask", scheduler="tcp://127.0.0.1:1")
    with pytest.raises(DataError, match=r"no Dask scheduler answers there.*dask worker"):
        list(run_tasks(double, [1], engine))


def test_dask_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    engine = Engine(name="dask", scheduler="tcp://127.0.0.1:1")
    with pytest.raises(CinefoleyError, match=r"pip install 'cinefoley\[data\]'"):
        list(run_tasks(double, [1], engine))
