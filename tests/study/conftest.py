from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.study.bench import Bench, MakeBench

from cinefoley.study.definition import StudySettings, load_study
from cinefoley.study.videos import StudyVideos, find_videos


@pytest.fixture(scope="session")
def settings(study_folder: Path) -> StudySettings:
    return load_study(study_folder / "study.toml")


@pytest.fixture(scope="session")
def videos(settings: StudySettings) -> StudyVideos:
    return find_videos(settings)


@pytest.fixture
def make_bench(settings: StudySettings, videos: StudyVideos, tmp_path: Path) -> Iterator[MakeBench]:
    """``make_bench(participants=1)``: the small study, with settings changed; the same votes each time."""
    made: list[Bench] = []

    def make(**changes: Any) -> Bench:
        made.append(Bench(settings, videos, tmp_path / "votes.sqlite", **changes))
        return made[-1]

    yield make
    for bench in made:
        bench.store.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench()
