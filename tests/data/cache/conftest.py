"""Cached frames of five stage clips."""

from pathlib import Path

import pytest
from tests.data.cache.stage_frames import prepare

from cinefoley.data.cache.clip_frames import ClipFrames


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def pictures(cache: Path) -> ClipFrames:
    return prepare(cache)
