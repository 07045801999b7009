from pathlib import Path

import pytest

from cinefoley.data.json_lines import Journal
from cinefoley.data.sources.clip_source import ClipFault
from cinefoley.data.sources.split_csv import SplitRow
from cinefoley.data.test_sets.builder import begin_set, clip_seed, describe_set
from cinefoley.data.test_sets.test_set import SetLayout
from cinefoley.errors import DataError
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp

ROWS = [SplitRow(id="a", start_s=1), SplitRow(id="b")]


def test_seeds_of_clips_are_what_they_were() -> None:
    assert clip_seed(0, "--0PQM4-hqg") == 2685398627
    assert clip_seed(1, "--0PQM4-hqg") != 2685398627
    assert len({clip_seed(0, str(n)) for n in range(1000)}) == 1000


def test_what_is_finished_is_found_again_and_halves_of_videos_are_removed(tmp_path: Path) -> None:
    layout = SetLayout(tmp_path)
    settings = describe_set(CloseUp(), 0, ROWS, is_view=False, clips=tmp_path)
    assert begin_set(layout, settings) == {}
    journal = Journal(layout.progress)
    with journal.opened():
        journal.append({"id": "a", "film": "a.mp4"})
    (layout.videos / ".cinefoley-0.part").touch()
    assert begin_set(layout, settings) == {"a": {"id": "a", "film": "a.mp4"}}
    assert not list(layout.videos.iterdir())


def test_another_set_or_another_folder_is_refused(tmp_path: Path) -> None:
    layout = SetLayout(tmp_path / "set")
    settings = describe_set(CloseUp(), 0, ROWS, is_view=True, clips=tmp_path)
    begin_set(layout, settings)
    begin_set(layout, settings | {"clips_folder": "moved", "versions": {}})
    for other in (
        describe_set(CameraMovement(), 0, ROWS, is_view=True, clips=tmp_path),
        describe_set(CloseUp(), 1, ROWS, is_view=True, clips=tmp_path),
        describe_set(CloseUp(), 0, ROWS[:1], is_view=True, clips=tmp_path),
        settings | {"are_shards": True},
    ):
        with pytest.raises(DataError, match="holds another test set"):
            begin_set(layout, other)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(DataError, match="holds other files"):
        begin_set(SetLayout(tmp_path / "full"), settings)


def test_a_fault_is_a_line_of_the_ledger() -> None:
    assert ClipFault(reason="missing", message="gone").to_record("a") == {
        "id": "a",
        "reason": "missing",
        "message": "gone",
    }
