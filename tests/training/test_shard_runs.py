"""Stages that train from shards: streamed, shuffled, shared among ranks, and gone on with after a kill."""

import json
import os
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

from cinefoley.config.recipes import ScheduleRecipe, TrainingPreset
from cinefoley.training.engine.task import Batch
from cinefoley.training.stages.settings import Stage
from cinefoley.training.tasks.cavp import CavpTask

pytestmark = pytest.mark.usefixtures("one_thread")
SCRIPT = Path(__file__).with_name("shard_runs.py")
STAGES: tuple[Stage, ...] = ("cavp", "autoencoder", "ldm", "alignment")
# six clips, four a step: every second step ends a pass and begins the next
STEPS = {"steps": 6, "batch_size": 4, "precision": "fp32", "log_every": 1, "checkpoint_every": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def job(tiny_training: TrainingPreset, stage_shards: Path, folder: Path) -> Job:
    """A stage that counts epochs, with frames so large that no cache of them would be smaller than shards."""
    schedule = ScheduleRecipe(epochs=4, batch_size=4, learning_rate=1e-3, warmup_steps=1)
    preset = replace(
        tiny_training,
        model=replace(tiny_training.model, foley=replace(tiny_training.model.foley, frame_size=(96, 96))),
        **{
            name: replace(getattr(tiny_training, name), schedule=schedule)
            for name in ("cavp", "autoencoder", "ldm", "alignment")
        },
    )
    return Job(
        stage="cavp",
        preset=preset,
        shards=stage_shards,
        cache=folder / "cache",
        run_dir=folder / "cavp",
        overrides=STEPS,
    )


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


def start(job: Job, tmp_path: Path, *launch: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "job.pickle").write_bytes(pickle.dumps(job))
    root = Path(__file__).parents[2]  # the pickle says where its class is
    paths = [str(root), os.environ.get("PYTHONPATH", str(root / "src"))]
    return subprocess.run(
        [sys.executable, *launch, str(SCRIPT), str(tmp_path / "job.pickle")],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
    )


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
    killed = start(replace(again, die_at=3, kills=True), tmp_path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    finished = start(again, tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert losses(tmp_path / "run") == losses(folder / "cavp")


def test_two_ranks_share_the_batches_of_one(
    models: tuple[Path, ...], job: Job, folder: Path, tmp_path: Path
) -> None:
    """Without what each rank does by itself: statistics of BatchNorm, and dropout."""
    audio_encoder = job.preset.model.audio_encoder
    assert audio_encoder is not None
    model = replace(job.preset.model, audio_encoder=replace(audio_encoder, dropout=0.0))
    preset = replace(job.preset, model=model)
    frozen = replace(job, preset=preset, overrides=STEPS | {"batch_norm": "frozen"})
    run_job(replace(frozen, run_dir=tmp_path / "alone"))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ranks = start(replace(frozen, run_dir=tmp_path / "together"), tmp_path, *torchrun)
    assert ranks.returncode == 0, ranks.stderr
    assert losses(tmp_path / "together") == pytest.approx(losses(tmp_path / "alone"), rel=1e-5)


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
