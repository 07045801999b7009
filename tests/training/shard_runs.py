"""Trains a stage from shards, in this process, as a rank, or in a process that is killed.

``python -m tests.training.shard_runs JOB.pickle`` reads a :class:`Job` and does it, with one thread.
"""

import os
import pickle
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from cinefoley.config.recipes import TrainingPreset
from cinefoley.data.shards.source import ShardSource
from cinefoley.training.run_settings import RunResult
from cinefoley.training.stages.run import train_stage
from cinefoley.training.stages.settings import Stage, StageSettings

__all__ = ["Job", "KilledError", "run_job"]


class KilledError(BaseException):
    """Ends a run in this process as a kill would: nothing is saved any more."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run."""

    stage: Stage
    preset: TrainingPreset
    shards: Path
    cache: Path
    run_dir: Path
    models: tuple[Path, ...] = ()
    overrides: dict[str, Any] = field(default_factory=dict)
    die_at: int | None = None
    kills: bool = False


def run_job(job: Job) -> RunResult:
    """Train, and die after the step ``die_at``: by SIGKILL, or by an exception that nobody catches."""

    def die(line: dict[str, float]) -> None:
        if line["step"] == job.die_at:
            if job.kills:
                os.kill(os.getpid(), signal.SIGKILL)
            raise KilledError

    settings = StageSettings(
        preset=job.preset,
        run_dir=job.run_dir,
        cache_dir=job.cache,
        models=job.models,
        clip_s=5.0,
        warm_start_steps=0,
        overrides=job.overrides,
        on_log=die,
    )
    return train_stage(job.stage, ShardSource(job.shards, split="train"), settings)


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_job(pickle.loads(Path(sys.argv[1]).read_bytes()))
