from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest

from cinefoley.data.sources.clip_lookup import ClipFolder
from cinefoley.data.sources.clip_source import FaultReason
from cinefoley.data.sources.split_csv import read_split
from cinefoley.data.sources.vggsound_stand_in import make_stand_in


def test_it_has_vggsounds_list_names_and_every_fault(tmp_path: Path) -> None:
    made = make_stand_in(
        tmp_path / "v", 30, faulty_share=0.5, num_distinct=2, size=(16, 16), fps=4, duration_s=1.0
    )
    rows = read_split(made.csv)
    assert [row.id for row in rows] == list(made.outcomes)
    assert {row.split for row in rows} == {"train", "test"}
    assert all(row.label for row in rows)
    files = ClipFolder(made.clips).find_all(rows)
    assert {name for name, path in files.items() if path is None} == {
        name for name, outcome in made.outcomes.items() if outcome == "missing"
    }
    schemes = Counter(len(path.stem[12:].split("_")) for path in files.values() if path is not None)
    assert set(schemes) == {1, 2}
    assert set(made.totals) == {"used", *get_args(FaultReason)}
    assert made.totals["used"] == 15
    assert sorted(made.totals.values())[:-1] in ([2] * 6 + [3], [2] * 7)


def test_the_same_seed_makes_the_same_list(tmp_path: Path) -> None:
    options: dict[str, Any] = {"num_distinct": 1, "size": (16, 16), "fps": 4, "duration_s": 1.0}
    first, second, other = (
        make_stand_in(tmp_path / name, 4, seed=seed, **options)
        for name, seed in (("a", 0), ("b", 0), ("c", 9))
    )
    assert first.csv.read_bytes() == second.csv.read_bytes()
    assert not set(first.outcomes) & set(other.outcomes)


@pytest.mark.parametrize("bad", [{"num_rows": 0}, {"num_distinct": 0}, {"faulty_share": 1.5}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need a row, a video and a share"):
        make_stand_in(tmp_path / "v", **({"num_rows": 1} | bad))
