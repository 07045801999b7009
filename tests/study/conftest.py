from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.study.bench import Bench, MakeBench

from cinefoley.study.definition import StudySettings, load_study
from cinefoley.study.films import StudyFilms, find_films


@pytest.fixture(scope="session")
def settings(study_folder: Path) -> StudySettings:
    return load_study(study_folder / "study.toml")


@pytest.fixture(scope="session")
def films(settings: StudySettings) -> StudyFilms:
    return find_films(settings)


@pytest.fixture
def make_bench(settings: StudySettings, films: StudyFilms, tmp_path: Path) -> Iterator[MakeBench]:
    """``make_bench(participants=1)``: the small study, with settings changed; the same votes each time."""
    made: list[Bench] = []

    def make(**changes: Any) -> Bench:
        made.append(Bench(settings, films, tmp_path / "votes.sqlite", **changes))
        return made[-1]

    yield make
    for bench in made:
        bench.store.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench()
