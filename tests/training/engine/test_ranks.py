"""Several processes train as one does: on this machine, and on two that network namespaces stand in for."""

import fcntl
import json
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.namespaces import unshared
from tests.training import shard_runs
from tests.training.shard_runs import Job
from tests.training.small_tasks import Contrast, run_job

from cinefoley.training.engine.ranks import Ranks

ROOT = Path(__file__).parents[3]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
CONFIG: dict[str, Any] = {
    "steps": 12,
    "batch_size": 8,
    "learning_rate": 0.02,
    "warmup_steps": 3,
    "checkpoint_every": 4,
    "log_every": 3,
    "precision": "fp32",
    "batch_norm": "frozen",
}
ENDLESS = 10**6
REGRESSION: dict[str, Any] = {"task": "regression", "config": CONFIG | {"ema_decay": 0.9}}
# every job is done by one process and by two; all in one start of torchrun, which takes seconds
JOBS: dict[str, dict[str, Any]] = {
    "plain": REGRESSION,
    "muon": {"task": "regression", "config": CONFIG | {"optimizer": "muon"}},
    "in parts": {"task": "regression", "config": CONFIG | {"gradient_accumulation": 2}},
    # validated on rank 0 alone, which must not wait for the others' rows
    "contrast": {"task": "contrast", "options": {"is_validated": True}, "config": CONFIG},
    "contrast in parts": {"task": "contrast", "config": CONFIG | {"gradient_accumulation": 2}},
}
if not hasattr(torch.optim, "Muon"):
    del JOBS["muon"]
# these are done by two only, in this order
FAILURES: dict[str, dict[str, Any]] = {
    "no number": {**REGRESSION, "options": {"nan_at": 6}},
    "stopped": {**REGRESSION, "options": {"stop_at": 6}},
    "continued": {**REGRESSION, "run": "stopped"},
    "begun": {**REGRESSION, "options": {"stop_at": 6}},
    "held": REGRESSION,
    "odd": {"task": "regression", "config": CONFIG | {"gradient_accumulation": 8}},
    "shards": {"pickle": "from the fixture"},
    # the last one, which only a signal to the launcher ends
    "endless": {"task": "regression", "config": CONFIG | {"steps": ENDLESS, "checkpoint_every": ENDLESS}},
}


def numbered(jobs: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"run": name.replace(" ", "-")} | job for name, job in jobs.items()]


def torchrun(folder: Path, *options: str) -> list[str]:
    return [*TORCHRUN, *options, "-m", "tests.training.small_tasks", str(folder)]


def environment() -> dict[str, str]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", str(ROOT / "src"))]
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}


def outcomes(folder: Path, number: int, ranks: int = 2) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{number}.{rank}.json").read_text()) for rank in range(ranks)]


def losses(run_dir: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    names = ("step", "loss", "l1", "grad_norm", "valid_loss")
    return [{name: line[name] for name in names if name in line} for line in lines]


def check_same(alone: Path, together: Path) -> None:
    """Same losses and gradients, to 1e-5."""
    first, second = losses(alone), losses(together)
    assert [line["step"] for line in first] == [3, 6, 9, 12]
    for a, b in zip(first, second, strict=True):
        assert a == pytest.approx(b, rel=1e-5)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    for job in numbered(JOBS):
        assert "weights" in run_job(folder, job)
    return folder


@pytest.fixture(scope="module")
def rank_job(shard_job: Job) -> Job:
    """Without what each rank does by itself: statistics of BatchNorm, and dropout."""
    audio_encoder = shard_job.preset.model.audio_encoder
    assert audio_encoder is not None
    model = replace(shard_job.preset.model, audio_encoder=replace(audio_encoder, dropout=0.0))
    preset = replace(shard_job.preset, model=model)
    return replace(shard_job, preset=preset, overrides=shard_job.overrides | {"batch_norm": "frozen"})


@pytest.fixture(scope="module")
def together(rank_job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    pickled = folder / "shards.pickle"
    pickled.write_bytes(pickle.dumps(replace(rank_job, run_dir=folder / "shards")))
    jobs = JOBS | FAILURES | {"shards": {"pickle": str(pickled)}}
    (folder / "jobs.json").write_text(json.dumps(numbered(jobs)))
    (folder / "held").mkdir()
    command = torchrun(folder, "--standalone", "--nproc-per-node=2")
    with (
        (folder / "held" / "lock").open("w") as lock,
        (folder / "errors").open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment()) as run,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run.stdout is not None
        for _ in run.stdout:  # a line of a log
            if (folder / "endless" / "log.jsonl").exists():
                run.send_signal(signal.SIGTERM)
                break
        run.stdout.read()
    assert (folder / f"{len(JOBS | FAILURES) - 1}.1.json").exists(), (folder / "errors").read_text()
    return folder


@pytest.mark.parametrize("name", JOBS)
def test_two_ranks_train_as_one_does(alone: Path, together: Path, name: str) -> None:
    assert ("valid_loss" in losses(alone / name.replace(" ", "-"))[-1]) == (name == "contrast")
    run = name.replace(" ", "-")
    check_same(alone / run, together / run)
    ends = outcomes(together, list(JOBS).index(name))
    assert ends[0] == ends[1], "the ranks have grown apart"


def test_parts_give_contrast_fewer_clips_to_compare(alone: Path) -> None:
    whole, parts = (losses(alone / run)[0]["loss"] for run in ("contrast", "contrast-in-parts"))
    assert parts < 0.8 * whole  # about the logarithm of 4, not of 8
    assert Contrast.compares_rows


def failure(together: Path, name: str) -> list[dict[str, Any]]:
    return outcomes(together, len(JOBS) + list(FAILURES).index(name))


def test_clips_are_named_by_every_rank_wherever_they_were_computed(together: Path) -> None:
    first, second = failure(together, "no number")
    assert first == second
    assert "loss of step 6 is nan, with clip 604, clip 605, clip 606, clip 607; the last" in first["error"]
    assert torch.load(together / "no-number" / "checkpoint.pt", weights_only=True)["step"] == 4


def test_a_signal_to_one_rank_stops_all_and_the_run_continues(together: Path) -> None:
    first, second = failure(together, "stopped")
    assert first == second
    assert "RunInterrupted: Stopped by SIGTERM at step 7 of 12" in first["error"]
    assert failure(together, "continued")[1] == outcomes(together, list(JOBS).index("plain"))[0]
    assert losses(together / "stopped") == losses(together / "plain")


@pytest.mark.usefixtures("one_thread")
def test_two_ranks_share_the_batches_of_shards(together: Path, rank_job: Job, tmp_path: Path) -> None:
    shard_runs.run_job(replace(rank_job, run_dir=tmp_path))
    alone = [line["loss"] for line in losses(tmp_path)]
    assert [line["loss"] for line in losses(together / "shards")] == pytest.approx(alone, rel=1e-5)


def test_a_process_alone_trains_where_it_is_told() -> None:
    ranks = Ranks(torch.device("meta"))
    assert ranks.distribute(torch.nn.Linear(2, 2)).weight.device == torch.device("meta")
    assert ranks.to_device({"rows": torch.zeros(2)})["rows"].device == torch.device("meta")


def test_a_run_continues_on_another_number_of_ranks(alone: Path, together: Path) -> None:
    assert "at step 7 of 12" in failure(together, "begun")[0]["error"]
    assert "weights" in run_job(together, {**REGRESSION, "run": "begun"})
    check_same(alone / "plain", together / "begun")


def test_all_ranks_refuse_a_folder_in_use(together: Path) -> None:
    assert all("in use by another run" in end["error"] for end in failure(together, "held"))


def test_a_batch_that_does_not_divide_is_refused(together: Path) -> None:
    assert all("got 8 clips for 2 ranks and 8 parts" in end["error"] for end in failure(together, "odd"))


def test_a_signal_to_torchrun_saves_and_stops(together: Path) -> None:
    """What a scheduler does to a node: SIGTERM to the launcher, which hands it to every rank."""
    first, second = failure(together, "endless")
    assert first == second
    assert "RunInterrupted: Stopped by SIGTERM at step" in first["error"]
    step = torch.load(together / "endless" / "checkpoint.pt", weights_only=True)["step"]
    assert f"at step {step} of {ENDLESS}" in first["error"]


@pytest.mark.slow
def test_a_rank_that_dies_stops_the_others_and_the_checkpoint_stands(tmp_path: Path) -> None:
    job = {**REGRESSION, "options": {"stop_at": 6, "signum": signal.SIGKILL}, "run": "run"}
    (tmp_path / "jobs.json").write_text(json.dumps([job]))
    command = torchrun(tmp_path, "--standalone", "--nproc-per-node=2")
    run = subprocess.run(command, check=False, capture_output=True, text=True, env=environment())
    assert run.returncode != 0
    survivor = json.loads((tmp_path / "0.0.json").read_text())
    assert "Rank 0 has lost the other ranks" in survivor["error"]
    assert "run the same command again" in survivor["error"]
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 4


@pytest.mark.slow
def test_two_machines_train_as_one_process_does(alone: Path, tmp_path: Path) -> None:
    """Two network namespaces with a cable between them, one rank in each."""
    (tmp_path / "jobs.json").write_text(json.dumps(numbered(JOBS)))
    script = ROOT / "tests/training/two_machines.sh"
    launch = [*TORCHRUN, "--nnodes=2", "--nproc-per-node=1", "--master-addr=10.77.0.1", "--master-port=29500"]
    command = [*unshared("--net", probe="ip link set lo up"), "sh", str(script), str(tmp_path), *launch]
    with (tmp_path / "said").open("wb") as said:
        run = subprocess.Popen(
            [*command, "--node-rank=NODE", "-m", "tests.training.small_tasks", str(tmp_path)],
            stdout=said,
            stderr=said,
            env=environment() | {"GLOO_SOCKET_IFNAME": "cable"},
            start_new_session=True,
        )
        try:
            run.wait(timeout=240)
        except subprocess.TimeoutExpired:
            # on a busy machine torchrun may wait for ever for the other one, with all work done
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        else:
            assert run.returncode == 0, (tmp_path / "said").read_text()
    networks = {(tmp_path / f"network.{node}").read_text() for node in range(2)}
    assert len(networks | {str(Path("/proc/self/ns/net").readlink()) + "\n"}) == 3
    for number, name in enumerate(JOBS):
        check_same(alone / name.replace(" ", "-"), tmp_path / name.replace(" ", "-"))
        first, second = outcomes(tmp_path, number)
        assert first == second
