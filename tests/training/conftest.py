"""The smallest training from shards, shared by its tests and by those of several ranks."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.shard_runs import Job

from cinefoley.config.recipes import ScheduleRecipe, TrainingPreset


@pytest.fixture(scope="session")
def shard_job(
    tiny_training: TrainingPreset, stage_shards: Path, tmp_path_factory: pytest.TempPathFactory
) -> Job:
    """CAVP in epochs, with frames so large that no cache of them would be smaller than shards."""
    schedule = ScheduleRecipe(epochs=4, batch_size=4, learning_rate=1e-3, warmup_steps=1)
    preset = replace(
        tiny_training,
        model=replace(tiny_training.model, foley=replace(tiny_training.model.foley, frame_size=(96, 96))),
        **{
            name: replace(getattr(tiny_training, name), schedule=schedule)
            for name in ("cavp", "autoencoder", "ldm", "alignment")
        },
    )
    folder = tmp_path_factory.mktemp("shard-runs")
    # six clips, four a step: every second step ends a pass and begins the next
    steps = {"steps": 6, "batch_size": 4, "precision": "fp32", "log_every": 1, "checkpoint_every": 2}
    return Job(
        stage="cavp",
        preset=preset,
        shards=stage_shards,
        cache=folder / "cache",
        run_dir=folder / "cavp",
        overrides=steps,
    )
