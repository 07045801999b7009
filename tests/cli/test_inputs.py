from collections.abc import Callable
from pathlib import Path

import pytest

from cinefoley.cli.inputs import check_stems_differ, find_generation_inputs, find_videos
from cinefoley.data.test_sets.video_set import build_test_set
from cinefoley.errors import MediaError, OutputError
from cinefoley.variations.close_up import CloseUp


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.MOV", "c.webm", "notes.txt", ".hidden.mp4", "below/d.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_a_folder_stands_for_its_videos_by_name(folder: Path) -> None:
    assert find_videos([str(folder)]) == [folder / "a.MOV", folder / "b.mp4", folder / "c.webm"]


def test_a_pattern_that_the_shell_left_alone_is_expanded(folder: Path) -> None:
    assert find_videos([str(folder / "*.mp4")]) == [folder / "b.mp4"]
    assert find_videos([str(folder / "**" / "*.mp4")]) == [folder / "b.mp4", folder / "below" / "d.mp4"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder: Path) -> None:
    odd = folder / "take[1].mp4"
    odd.touch()

    assert find_videos([str(odd)]) == [odd]


def test_arguments_keep_their_order_and_videos_come_once(folder: Path) -> None:
    named = [str(folder / "c.webm"), str(folder), str(folder / "a.MOV")]

    assert find_videos(named) == [folder / "c.webm", folder / "a.MOV", folder / "b.mp4"]


def test_a_named_file_is_taken_whatever_its_suffix(folder: Path) -> None:
    assert find_videos([str(folder / "notes.txt")]) == [folder / "notes.txt"]


def test_a_path_that_does_not_exist_is_kept_for_whoever_opens_it(folder: Path) -> None:
    assert find_videos([str(folder / "gone.mp4")]) == [folder / "gone.mp4"]


def test_takes_in_a_folder_are_no_videos_but_takes_named_are(folder: Path) -> None:
    (folder / "b.take1.mp4").touch()
    (folder / "b.json").touch()

    assert folder / "b.take1.mp4" not in find_videos([str(folder)])
    assert find_videos([str(folder / "b.take1.mp4")]) == [folder / "b.take1.mp4"]


def test_a_video_that_is_merely_called_a_take_is_one(folder: Path) -> None:
    (folder / "scene.take3.mp4").touch()

    assert folder / "scene.take3.mp4" in find_videos([str(folder)])


def test_videos_want_takes_in_the_order_in_which_they_are_named(folder: Path) -> None:
    named = [str(folder / "c.webm"), str(folder), str(folder / "a.MOV")]

    assert [video.path for video in find_generation_inputs(named)] == [
        folder / "c.webm",
        folder / "a.MOV",
        folder / "b.mp4",
    ]


def test_a_folder_without_videos_is_refused(folder: Path) -> None:
    (folder / "empty").mkdir()

    with pytest.raises(MediaError, match="empty: no video in this folder"):
        find_videos([str(folder / "empty")])


def test_a_test_set_stands_for_its_videos(folder: Path, render_film: Callable[..., Path]) -> None:
    (folder / "films").mkdir()
    render_film(folder / "films" / "rain.mp4")
    (folder / "rain.csv").write_text("id\nrain\n")
    for name, is_view in (("set", False), ("view", True)):
        build_test_set(folder / "rain.csv", folder / name, CloseUp(), clips=folder / "films", is_view=is_view)

    assert find_videos([str(folder / "set")]) == [folder / "set" / "clips" / "rain.mp4"]
    with pytest.raises(MediaError, match="view: this test set contains windows and no videos"):
        find_videos([str(folder / "view")])


def test_a_pattern_without_videos_is_refused(folder: Path) -> None:
    with pytest.raises(MediaError, match=r"\*\.avi: no video matches this pattern"):
        find_videos([str(folder / "*.avi")])


@pytest.mark.parametrize("other", ["b/rain.mp4", "a/rain.mov", "a/Rain.webm"])
def test_two_videos_whose_takes_would_have_one_name_are_both_named(other: str) -> None:
    with pytest.raises(OutputError, match=rf"a/rain\.mp4 and {other} would both write rain\.take1\.wav"):
        check_stems_differ([Path("a/rain.mp4"), Path("a/snow.mp4"), Path(other)])
