import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cinefoley.errors import StudyError
from cinefoley.media.muxing.save_video import save_video
from cinefoley.study.definition import StudySettings, load_study
from cinefoley.study.videos import StudyVideos, find_videos

TONE = torch.linspace(-0.1, 0.1, 4000)


@pytest.fixture
def copied(study_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(study_folder, tmp_path / "study"))


def find(folder: Path) -> StudyVideos:
    return find_videos(load_study(folder / "study.toml"))


def write(path: Path, *, level: int = 20, frames: int = 6, has_sound: bool = True) -> None:
    picture = torch.full((frames, 3, 48, 64), level, dtype=torch.uint8)
    save_video(path, picture, 12, waveform=TONE if has_sound else None, sample_rate=8000)


def test_videos_are_found_by_method_and_name(videos: StudyVideos) -> None:
    assert videos.clips == [f"clip{n}.mp4" for n in range(4)]
    assert videos.checks == ["check0.mp4", "check1.mp4"]
    video = videos.videos["Ours", "clip2.mp4"]
    assert (video.path.parent.name, video.content_type) == ("ours", "video/mp4")
    assert video.duration_s == pytest.approx(0.5)
    assert videos.check_videos[True, "check0.mp4"].path.parent.name == "real"
    assert len(videos.digests()) == 12


def test_hidden_files_and_other_kinds_are_left_alone(copied: Path) -> None:
    (copied / "ours" / "notes.txt").write_text("x")
    (copied / "ours" / ".clip9.mp4").write_text("x")
    (copied / "base" / "deeper.mp4").mkdir()

    assert len(find(copied).clips) == 4


def test_odd_names_are_only_names(copied: Path) -> None:
    for folder in ("base", "ours"):
        (copied / folder / "clip0.mp4").rename(copied / folder / "'; DROP TABLE votes; -- %2e%2e #é.mp4")

    assert "'; DROP TABLE votes; -- %2e%2e #é.mp4" in find(copied).clips


def test_unequal_lists_of_videos_are_refused_by_name(copied: Path) -> None:
    (copied / "ours" / "clip1.mp4").unlink()

    with pytest.raises(StudyError, match=r"ours lacks 1 of the 4 videos of the other folders \(clip1.mp4\)"):
        find(copied)


def test_a_missing_and_an_empty_folder_are_refused(copied: Path) -> None:
    shutil.rmtree(copied / "ours")
    with pytest.raises(StudyError, match="ours: no such folder"):
        find(copied)
    (copied / "ours").mkdir()
    with pytest.raises(StudyError, match="ours: no video in this folder"):
        find(copied)


def test_a_file_that_is_no_video_is_refused(copied: Path) -> None:
    (copied / "ours" / "clip1.mp4").write_text("not a video")

    with pytest.raises(StudyError, match=r"clip1.mp4: cannot be part of a study"):
        find(copied)


def test_a_video_without_sound_is_refused(copied: Path) -> None:
    write(copied / "ours" / "clip0.mp4", has_sound=False)

    with pytest.raises(StudyError, match=r"clip0.mp4: has no sound; a study compares videos with sound"):
        find(copied)


def test_videos_of_other_length_are_refused(copied: Path) -> None:
    write(copied / "ours" / "clip0.mp4", frames=9)

    with pytest.raises(StudyError, match=r"lasts 0.75 s, but .*base/clip0.mp4 0.50 s"):
        find(copied)


def test_another_video_stream_is_rejected_unless_it_is_allowed(copied: Path, settings: StudySettings) -> None:
    write(copied / "ours" / "clip0.mp4", level=200)

    with pytest.raises(StudyError, match=r"its video stream differs from that of .*base/clip0.mp4"):
        find(copied)
    assert find_videos(replace(load_study(copied / "study.toml"), same_picture=False)).clips


def test_what_browsers_do_not_play_is_refused(copied: Path) -> None:
    for folder in ("base", "ours"):  # Opus and H.264 in a webm's name
        shutil.copy(copied / folder / "clip0.mp4", copied / folder / "clip0.webm")

    with pytest.raises(StudyError, match=r"contains h264 and aac, which not every browser plays in .webm"):
        find(copied)


def test_more_attention_checks_than_videos_are_rejected(copied: Path) -> None:
    text = (copied / "study.toml").read_text()
    (copied / "study.toml").write_text(text.replace("per_participant = 1", "per_participant = 3"))

    with pytest.raises(StudyError, match=r"per_participant is 3, but .*real contains 2 videos"):
        find(copied)
