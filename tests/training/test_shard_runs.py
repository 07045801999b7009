"""Stages that train from shards: streamed, shuffled, and resumed after a kill."""

import json
import pickle
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.shard_runs import Job, KilledError, run_job

from cinefoley.training.engine.task import Batch
from cinefoley.training.stages.settings import Stage
from cinefoley.training.tasks.cavp import CavpTask

pytestmark = pytest.mark.usefixtures("one_thread")
STAGES: tuple[Stage, ...] = ("cavp", "autoencoder", "ldm", "alignment")


@pytest.fixture(scope="module")
def job(shard_job: Job) -> Job:
    return shard_job


@pytest.fixture(scope="module")
def folder(job: Job) -> Path:
    return job.run_dir.parent


@pytest.fixture(scope="module")
def models(job: Job, folder: Path) -> tuple[Path, ...]:
    """Whole runs of all stages."""
    made = folder / "cavp", folder / "autoencoder"
    for stage in STAGES:
        given = made if stage in ("ldm", "alignment") else ()
        result = run_job(replace(job, stage=stage, run_dir=folder / stage, models=given))
        assert (result.num_clips, result.config.steps) == (6, 6)
    return made


def losses(run_dir: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run_dir / "log.jsonl").read_text().splitlines()]


def test_frames_and_sounds_are_streamed_without_a_copy(models: tuple[Path, ...], job: Job) -> None:
    assert models
    assert {path.name.split("-")[0] for path in job.cache.iterdir()} == {"features", "latents"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_that_dies_in_mid_epoch_resumes_to_the_same_losses(
    models: tuple[Path, ...], job: Job, folder: Path, tmp_path: Path, stage: Stage
) -> None:
    """It dies after step 5, and repeats that from the checkpoint of step 4."""
    given = models if stage in ("ldm", "alignment") else ()
    again = replace(job, stage=stage, run_dir=tmp_path / "run", models=given)
    with pytest.raises(KilledError):
        run_job(replace(again, die_at=5))
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 4
    run_job(again)
    assert losses(tmp_path / "run") == losses(folder / stage)


def test_a_killed_run_resumes_to_the_same_losses(
    models: tuple[Path, ...], job: Job, folder: Path, tmp_path: Path
) -> None:
    again = replace(job, run_dir=tmp_path / "run")
    (tmp_path / "job.pickle").write_bytes(pickle.dumps(replace(again, die_at=3, kills=True)))
    killed = subprocess.run(
        [sys.executable, "-m", "tests.training.shard_runs", str(tmp_path / "job.pickle")],
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run_job(again)
    assert losses(tmp_path / "run") == losses(folder / "cavp")


def test_every_clip_comes_once_in_every_epoch(
    models: tuple[Path, ...], job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In an order that differs from epoch to epoch."""
    loaded: list[list[int]] = []
    load = CavpTask.load

    def watch(task: CavpTask, rows: Batch) -> Any:
        assert task.prefetches
        loaded.append(rows["index"].tolist())
        return load(task, rows)

    monkeypatch.setattr(CavpTask, "load", watch)
    run_job(replace(job, run_dir=tmp_path))
    shown = [row for batch in loaded for row in batch]
    epochs = [shown[first : first + 6] for first in range(0, 24, 6)]
    assert all(Counter(epoch) == Counter(range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
