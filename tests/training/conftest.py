"""Clips of the stage as films and in shards, for runs that read them; and runs on one thread."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For bits that are compared with another process's: sums may depend on how many threads share them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def stage_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six films of 5 s, 64 pixels on the shorter side, with list and events. Not to be written to."""
    from cinefoley.stage.export import ExportSettings, export_clips

    folder = tmp_path_factory.mktemp("stage-films")
    export_clips(folder, 6, ExportSettings(split="train", duration_s=5.0, side=64, fps=12, sample_rate=16000))
    return folder


@pytest.fixture(scope="session")
def stage_shards(stage_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in three shards. Not to be written to."""
    from cinefoley.data.shard_preparing import prepare_shards
    from cinefoley.data.shard_settings import ShardSettings

    out = tmp_path_factory.mktemp("stage-shards")
    settings = ShardSettings(duration_s=5.0, least_s=4.0, clips_per_shard=2)
    prepare_shards(stage_films, out, csv=stage_films / "train.csv", settings=settings)
    return out
