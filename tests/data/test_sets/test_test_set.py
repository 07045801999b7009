from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.data.test_sets.test_set import read_test_set
from cinefoley.data.test_sets.video_set import build_test_set
from cinefoley.errors import DataError, MediaError
from cinefoley.media.frames.video import load_video
from cinefoley.media.frames.windows import stream_windows
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp

Listed = Any  # tests/data/conftest.py


@pytest.fixture(params=[CloseUp(), CameraMovement()], ids=["close-up", "camera movement"])
def pair(request: pytest.FixtureRequest, listed: Listed, tmp_path: Path) -> tuple[Any, Any]:
    """The same test set with films and as a view."""
    for name in ("films", "view"):
        build_test_set(
            listed.csv,
            tmp_path / name,
            request.param,
            clips=listed.clips,
            split="test",
            is_view=name == "view",
        )
    return read_test_set(tmp_path / "films"), read_test_set(tmp_path / "view")


def test_a_view_shows_what_the_videos_show(pair: tuple[Any, Any]) -> None:
    videos, view = pair
    assert (videos.is_view, view.is_view) == (False, True)
    assert not (view.folder / "clips").exists()
    for video, seen in zip(videos.clips, view.clips, strict=True):
        assert (video.id, video.window, video.label) == (seen.id, seen.window, seen.label)
        a, b = video.load_video(size=(32, 32)), seen.load_video(size=(32, 32))
        assert torch.equal(a.source_indices, b.source_indices)
        assert (a.frames.float() - b.frames.float()).square().mean() < 255**2 / 10**3.3  # 33 dB
        part = seen.load_video(fps=10, start=0.5, duration=0.5)
        assert torch.equal(part.frames, seen.load_video(fps=10).frames[5:10])


def test_path_and_crop_serve_whoever_streams(pair: tuple[Any, Any]) -> None:
    for built in pair:
        clip = built.clips[0]
        (window,) = stream_windows(clip.path, starts=[0], frames_per_window=4, crop=clip.crop())
        assert torch.equal(window, clip.load_video(duration=1).frames)


def test_the_unvaried_clip_stays_within_reach(pair: tuple[Any, Any]) -> None:
    clip = pair[0].clips[0]
    assert load_video(clip.source_path).size == clip.window.size


def test_clips_that_have_moved_are_found_where_one_says(
    listed: Listed, some_clips: Path, tmp_path: Path
) -> None:
    build_test_set(listed.csv, tmp_path / "v", CloseUp(), clips=listed.clips, split="test", is_view=True)
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in some_clips.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    clip = read_test_set(tmp_path / "v", clips=moved).clips[0]
    assert clip.source_path.parent == moved
    assert len(clip.load_video()) == 6
    with pytest.raises(MediaError, match="no such file"):
        read_test_set(tmp_path / "v", clips=tmp_path).clips[0].load_video()


def test_what_is_no_finished_set_is_told(listed: Listed, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no test set .*cinefoley vary"):
        read_test_set(tmp_path)
    out = tmp_path / "cu"
    build_test_set(listed.csv, out, CloseUp(), clips=listed.clips, split="test", is_view=True)
    manifest = (out / "manifest.jsonl").read_text()
    for damaged in (manifest[:-20], manifest.replace('"scale"', '"sc"'), manifest.replace('"id"', '"ix"')):
        (out / "manifest.jsonl").write_text(damaged)
        with pytest.raises(DataError, match=r"cu: the test set is damaged \(.*\)\. Build it again"):
            read_test_set(out)
    (out / "manifest.jsonl").unlink()
    with pytest.raises(DataError, match="is unfinished"):
        read_test_set(out)
    (out / "test_set.json").write_text("{")
    with pytest.raises(DataError, match=r"test_set\.json: cannot be read"):
        read_test_set(out)
