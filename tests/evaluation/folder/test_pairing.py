from pathlib import Path

import pytest

from cinefoley.errors import CinefoleyError, MediaError
from cinefoley.evaluation.folder.pairing import find_sounds, pair_by_name


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def named(*stems: str) -> dict[str, Path]:
    return {stem: Path(f"{stem}.wav") for stem in stems}


@pytest.mark.parametrize(
    "pattern", ["{}.take{}", "{}_sample_{}", "{}-take-{}", "{}_sample{}", "{}.sample.{}"]
)
def test_samples_find_their_clip_in_numeric_order(pattern: str) -> None:
    generated = named(*(pattern.format(clip, number) for clip in ("dog", "a_b.c") for number in (10, 2, 1)))
    pairs = pair_by_name(generated, named("dog", "a_b.c"))
    assert [sample.clip for sample in pairs.samples] == ["a_b.c"] * 3 + ["dog"] * 3
    assert [sample.path.stem for sample in pairs.samples[3:]] == [
        pattern.format("dog", n) for n in (1, 2, 10)
    ]
    assert [sample.number for sample in pairs.samples[3:]] == [0, 1, 2]
    assert pairs.samples_per_clip == "3"


def test_a_real_clip_may_be_called_like_a_sample() -> None:
    pairs = pair_by_name(named("x_sample_1", "x_sample_2"), named("x_sample_1", "x_sample_2"))
    assert [sample.clip for sample in pairs.samples] == ["x_sample_1", "x_sample_2"]


def test_uneven_samples_are_told() -> None:
    assert pair_by_name(named("a.take1", "a.take2", "b"), named("a", "b")).samples_per_clip == "1 to 2"


def test_pairs_that_do_not_match_are_counted() -> None:
    with pytest.raises(
        CinefoleyError, match=r"1 clips are on both sides; 2 generated \(b, c\).* 1 real \(d\)"
    ):
        pair_by_name(named("a", "b", "c"), named("a", "d"))


def test_a_protocol_may_leave_one_in_a_hundred_out() -> None:
    names = [f"{number:03d}" for number in range(200)]
    pairs = pair_by_name(named(*names[1:]), named(*names), least_share=0.99)
    assert (len(pairs.samples), pairs.left_out) == (199, ["000"])
    with pytest.raises(CinefoleyError, match="197 clips"):
        pair_by_name(named(*names[3:]), named(*names), least_share=0.99)
    with pytest.raises(CinefoleyError, match="0 clips"):
        pair_by_name(named("a"), named("b"), least_share=0.0)


def test_sounds_are_taken_before_videos_and_all_else_is_left_alone(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "a.mp4", "a.json", "a.mel.npy", "b.MP4", ".hidden.wav", "notes.txt")
    (tmp_path / "folder.wav").mkdir()
    assert {stem: path.name for stem, path in find_sounds(tmp_path).items()} == {"a": "a.wav", "b": "b.MP4"}
    videos = find_sounds(tmp_path, prefers_videos=True)
    assert {path.name for path in videos.values()} == {"a.mp4", "b.MP4"}


def test_two_sounds_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("rain.take1.wav", "rain.take1.flac"):
        (tmp_path / name).touch()
    with pytest.raises(
        MediaError, match=r"rain\.take1\.flac and rain\.take1\.wav are two audio files of one name"
    ):
        find_sounds(tmp_path)


def test_a_folder_without_sounds_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"no audio or video file in this folder \(0 of 1 files\)"):
        find_sounds(touch(tmp_path, "notes.txt"))
    with pytest.raises(MediaError, match="no such folder"):
        find_sounds(tmp_path / "none")
