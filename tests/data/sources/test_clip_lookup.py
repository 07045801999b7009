from pathlib import Path

import pytest

from cinefoley.data.sources.clip_lookup import ClipFolder, candidate_stems
from cinefoley.data.sources.split_csv import SplitRow
from cinefoley.errors import DataError

ROW = SplitRow(id="-Ab_9", start_s=30.0)
NAMES = ["-Ab_9_000030", "-Ab_9_30", "-Ab_9_30000_40000", "-Ab_9"]


def test_the_names_of_the_usual_downloaders_are_known() -> None:
    assert candidate_stems(ROW) == NAMES
    assert candidate_stems(SplitRow(id="a", start_s=1.5)) == ["a_1500_11500", "a"]


@pytest.mark.parametrize("stem", NAMES)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_clip_is_found_under_any_of_them(tmp_path: Path, stem: str, suffix: str) -> None:
    (tmp_path / (stem + suffix)).touch()
    (tmp_path / f"{stem}.wav").touch()
    assert ClipFolder(tmp_path).find(ROW) == tmp_path / (stem + suffix)


def test_the_most_telling_name_is_taken(tmp_path: Path) -> None:
    for stem in NAMES[1:]:
        (tmp_path / f"{stem}.mp4").touch()
    (tmp_path / f"{NAMES[0]}.webm").touch()
    assert ClipFolder(tmp_path).find(ROW) == tmp_path / f"{NAMES[0]}.webm"


def test_a_missing_clip_is_none(tmp_path: Path) -> None:
    (tmp_path / "-Ab_9_000031.mp4").touch()
    assert ClipFolder(tmp_path).find_all([ROW]) == {"-Ab_9": None}


def test_two_clips_in_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a_30.mp4").touch()
    rows = [SplitRow(id="a", start_s=30.0), SplitRow(id="a_30", start_s=1.0)]
    with pytest.raises(DataError, match=r"a_30\.mp4: the clips 'a' and 'a_30' both match this file"):
        ClipFolder(tmp_path).find_all(rows)


def test_a_file_with_another_clips_id_is_that_clips(tmp_path: Path) -> None:
    for stem in ("a_30", "b"):
        (tmp_path / f"{stem}.mp4").touch()
    first, listed = SplitRow(id="a", start_s=30.0), {"a", "a_30"}
    files = ClipFolder(tmp_path)
    assert files.find_all([first], listed=listed) == {"a": None}
    assert files.find_all([first]) == {"a": tmp_path / "a_30.mp4"}


def test_without_a_start_the_id_itself_comes_first(tmp_path: Path) -> None:
    for stem in ("a", "a_0", "b_0"):
        (tmp_path / f"{stem}.mp4").touch()
    found = ClipFolder(tmp_path).find_all([SplitRow(id="a"), SplitRow(id="b")])
    assert found == {"a": tmp_path / "a.mp4", "b": tmp_path / "b_0.mp4"}


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the clips' folder cannot be read .* --data"):
        ClipFolder(tmp_path / "no")
