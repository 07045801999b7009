"""``generate`` on several processes: ranks, Dask workers, shards, windows, and what faults leave behind."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.dask_cluster import Cluster, environment, free_port

from cinefoley.data.json_lines import read_records
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.test_sets.shard_set import build_shard_set
from cinefoley.variations.close_up import CloseUp

RunCli = Callable[..., Any]

CLI = [sys.executable, "-m", "cinefoley.cli.main"]


@pytest.fixture
def films(tmp_path: Path, render_film: Callable[..., Path]) -> Path:
    """Eight videos, of which one is broken. Few pixels: decoding takes no time."""
    folder = tmp_path / "films"
    folder.mkdir()
    for number in range(7):
        render_film(folder / f"clip{number}.mp4", seed=number % 2, fps=4, size=(32, 32), duration_s=2.0)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


def command(films: Path, model: Path, out: Path, *more: str) -> list[str]:
    options = ["--model", str(model), "--steps", "2", "--device", "cpu", "-q", "-o", str(out)]
    return [*CLI, "generate", str(films), *options, *more]


def digests(folder: Path, pattern: str) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob(pattern)}


def start_ranks(arguments: list[str], count: int = 2) -> list["subprocess.Popen[str]"]:
    shared = environment(WORLD_SIZE=str(count), MASTER_ADDR="127.0.0.1", MASTER_PORT=free_port())
    return [
        subprocess.Popen(
            arguments,
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def test_windows_of_a_test_set_are_generated_for_into_shards(
    generate: RunCli, run_cli: RunCli, stage_shards: Path, tmp_path: Path
) -> None:
    """A view of shards: no video, and the takes are those of the same windows as videos."""
    build_shard_set(ShardSource(stage_shards), tmp_path / "view", CloseUp(), is_view=True)
    refused = generate(tmp_path / "view")
    result = generate(tmp_path / "view", "--to-shards", "--json")

    assert refused.code == 2
    assert "windows has no videos" in " ".join(refused.err.split())
    assert (result.code, result.err) == (0, "")
    assert result.json["totals"] == {"made": 6, "skipped": 0, "takes": 6}
    again = generate(tmp_path / "view", "--to-shards", "--takes", 2)
    assert again.code == 1
    assert "takes with another num_takes" in again.err
    against = [tmp_path / "out", "--reference", tmp_path / "view", "--backbone", "lite", "--json"]
    scores = run_cli("evaluate", *against, "--bootstrap", 0)
    assert scores.code == 0, scores.err
    assert scores.json["protocol"]["clips"] == 6


def test_sound_only_output_has_no_videos(generate: RunCli, rain: Path, tmp_path: Path) -> None:
    assert generate(rain, "--sound-only", "-q").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["rain.json", "rain.take1.wav"]
    again = generate(rain, "--sound-only")
    assert "skipped rain.take1.wav" in again.err
    assert generate(rain, "-q").code == 0  # the video is missing, so the take is generated again
    assert (tmp_path / "out" / "rain.take1.mp4").exists()


@pytest.mark.slow
def test_ranks_share_videos_and_every_take_is_that_of_one_process(
    films: Path, tiny_model: Path, tmp_path: Path
) -> None:
    alone = command(films, tiny_model, tmp_path / "alone", "--sound-only")
    ranks = start_ranks(command(films, tiny_model, tmp_path / "two", "--sound-only"))
    subprocess.run(alone, check=False, env=environment(), timeout=300)
    outputs = [process.communicate(timeout=300) for process in ranks]

    assert [process.returncode for process in ranks] == [1, 0]  # a video was skipped, rank 0 reports it
    assert digests(tmp_path / "two", "*.wav") == digests(tmp_path / "alone", "*.wav")
    assert len(digests(tmp_path / "two", "*.wav")) == 7
    ledger = read_records(tmp_path / "two" / "ledger.jsonl")
    assert sorted(Path(line["film"]).name for line in ledger if line["outcome"] == "skipped") == [
        "broken.mp4"
    ]
    assert "7 takes of 7 videos, 1 skipped" in outputs[0][0]
    assert outputs[1] == ("", "")
    assert not [path for path in (tmp_path / "two").iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_two_commands_in_one_folder_make_no_take_twice_and_a_kill_leaves_nothing(
    films: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """One of two plain commands is killed in the middle; the other, and the next, finish the work."""
    out = tmp_path / "out"
    arguments = command(films, tiny_model, out, "--sound-only", "--steps", "60")
    first, second = (
        subprocess.Popen(arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    )
    wait_until(lambda: len(list(out.glob("*.wav"))) >= 2, first)
    staging = set(out.glob(".cinefoley-*.part"))
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second.communicate(timeout=300)
    assert second.returncode == 1  # the broken video
    assert len(staging) <= 2  # a video each
    assert len(list(out.glob("*.wav"))) == 7
    made = {path.name: path.stat().st_mtime_ns for path in out.glob("*.wav")}
    subprocess.run(arguments, check=False, env=environment(), timeout=300)
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.wav")} == made
    assert not list(out.glob(".cinefoley-*.part"))


def wait_until(is_so: Callable[[], bool], process: "subprocess.Popen[Any]", limit_s: float = 240) -> None:
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(tmp_path)
    yield found
    found.stop()


def finished(out: Path) -> dict[str, int]:
    """When shards were written that have a record: one that lost its worker before is made again."""
    tars = (record.with_suffix(".tar") for record in out.glob("shards/takes-*.json"))
    return {path.name: path.stat().st_mtime_ns for path in tars if path.exists()}


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_and_its_scheduler_ends_with_the_same_shards(
    films: Path, tiny_model: Path, tmp_path: Path, cluster: Cluster
) -> None:
    """Two Dask workers: one is killed, then the scheduler, in whose place another is started."""
    more = ("--to-shards", "--takes", "2", "--steps", "60", "--videos-per-shard", "1", "--json")
    alone, out = tmp_path / "alone", tmp_path / "out"
    scheduler, worker, _ = cluster.start_scheduler(), cluster.start_worker(), cluster.start_worker()
    run = subprocess.Popen(
        command(films, tiny_model, out, *more, "--engine", "dask", "--scheduler", cluster.address),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: len(finished(out)) >= 1, run)
    worker.kill()
    wait_until(lambda: len(finished(out)) >= 3, run)
    scheduler.kill()
    scheduler.wait()
    before = finished(out)
    cluster.start_scheduler()
    cluster.start_worker()
    stdout, told = run.communicate(timeout=300)
    subprocess.run(command(films, tiny_model, alone, *more), check=False, env=environment(), timeout=300)

    assert run.returncode == 1, told  # the broken video
    assert stdout, told
    assert json.loads(stdout)["totals"] == {"made": 7, "skipped": 1, "takes": 14}
    assert 3 <= len(before) < 7
    assert before.items() <= finished(out).items()
    assert digests(out, "*.tar") == digests(alone, "*.tar")
    assert not list(out.rglob("*.part"))
