from pathlib import Path

import pytest

from cinefoley.errors import DataError
from cinefoley.media.shots import Shot, join_short_shots, read_shots


def written(folder: Path, text: str) -> Path:
    path = folder / "shots.csv"
    path.write_text(text)
    return path


def test_a_list_may_be_ours_or_pyscenedetects_and_may_have_gaps(tmp_path: Path) -> None:
    ours = written(tmp_path, "start_s,end_s\n0,2\n3,5.01\n")
    assert read_shots(ours, 5.0) == [Shot(0.0, 2.0), Shot(2.0, 3.0), Shot(3.0, 5.0)]
    head = "Timecode List:,00:00:02.000\nScene Number,Start Time (seconds),End Time (seconds)\n"
    theirs = head + "1,0.0,2.0\n2,2.0,5.0\n"
    assert read_shots(written(tmp_path, theirs), 5.0) == [Shot(0.0, 2.0), Shot(2.0, 5.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no columns start_s and end_s"),
        ("start_s,end_s\n", "lists no shot"),
        (
            "start_s,end_s\n0,2\n1,3\n",
            r"line 3: the shot overlaps the one before \(begins at 1 s, after 2 s\)",
        ),
        ("start_s,end_s\n-1,2\n", "line 2: the shot begins before the video"),
        ("start_s,end_s\n0,2\n2,9\n", "line 3: the shot ends at 9 s, the video at 5 s"),
        ("start_s,end_s\n2,2\n", "line 2: a shot must end after it begins"),
        ("start_s,end_s\n0,nan\n", "must end after it begins"),
        ("start_s,end_s\n0,zwei\n", "line 2: the times of a shot are two numbers"),
        ("start_s,end_s\n0\n", "line 2: the times of a shot are two numbers"),
    ],
)
def test_a_wrong_list_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_shots(written(tmp_path, text), 5.0)
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read_shots(tmp_path / "gone.csv", 5.0)


def test_short_shots_are_joined_with_the_one_before() -> None:
    shots = [Shot(0.0, 0.1), Shot(0.1, 2.0), Shot(2.0, 2.1), Shot(2.1, 4.0)]
    assert join_short_shots(shots, 0.5) == [Shot(0.0, 2.1), Shot(2.1, 4.0)]
    with pytest.raises(ValueError, match="no shot"):
        join_short_shots([], 0.5)
