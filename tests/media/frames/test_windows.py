from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cinefoley.errors import MediaError, VideoError
from cinefoley.media.frames.video import load_video, resample_video, video_from_frames
from cinefoley.media.frames.windows import sample_windows, stream_windows

MakeVideo = Callable[..., Path]
Numbers = Callable[[Tensor], list[int]]

COUNTING = video_from_frames(
    torch.arange(100, dtype=torch.uint8)[:, None, None, None].expand(100, 3, 2, 2), 25
)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 4200), min_size=1, max_size=8).map(sorted), st.integers(1, 12))
def test_every_window_is_a_clip_that_begins_there(starts: list[int], count: int) -> None:
    begins = [s / 1000 for s in starts]
    windows = list(sample_windows(COUNTING, starts=begins, frames_per_window=count, fps=4))
    assert len(windows) == len(begins)
    for begin, window in zip(begins, windows, strict=True):
        assert window.shape == (count, 3, 2, 2)
        if begin < 4:
            alone = resample_video(COUNTING, 4, None, begin, count / 4).frames[:, 0, 0, 0].tolist()
            padded = (alone + [99] * count)[:count]
            assert window[:, 0, 0, 0].tolist() == padded


@pytest.mark.parametrize("section", [{}, {"start": 0.5}, {"start": 0.77, "duration": 2.1}])
def test_a_video_streams_the_windows_that_its_frames_in_memory_give(
    make_video: MakeVideo, section: dict[str, Any]
) -> None:
    path = make_video("rain.mkv", times=80, codec="ffv1", pix_fmt="bgr0")
    memory = video_from_frames(load_video(path, fps=25).frames, 25)
    settings: dict[str, Any] = {
        "starts": [0, 0.3, 1.024, 2.5, 9],
        "frames_per_window": 6,
        "size": (24, 30),
        **section,
    }
    streamed = list(stream_windows(path, **settings))
    sampled = list(sample_windows(memory, **settings))
    assert len(streamed) == 5
    assert all(torch.equal(a, b) for a, b in zip(streamed, sampled, strict=True))


def test_past_the_end_the_last_frame_is_repeated(make_video: MakeVideo, numbers: Numbers) -> None:
    (window,) = stream_windows(make_video(times=25), starts=[0.5], frames_per_window=6)
    assert numbers(window) == [15, 21, 24, 24, 24, 24]


def test_a_section_ends_the_windows_too(make_video: MakeVideo, numbers: Numbers) -> None:
    (window,) = stream_windows(make_video(times=50), starts=[0], frames_per_window=6, start=0.4, duration=0.6)
    assert numbers(window) == [13, 19, 24, 24, 24, 24]


def test_windows_far_in_skip_what_lies_before(make_video: MakeVideo, numbers: Numbers) -> None:
    path = make_video(times=400, fps=10, options={"g": "20", "preset": "veryfast"})
    windows = list(stream_windows(path, starts=[30, 30.5], frames_per_window=3, fps=5))
    assert [numbers(window) for window in windows] == [[300, 302, 304], [305, 307, 309]]


def test_no_starts_give_no_windows(make_video: MakeVideo) -> None:
    assert list(stream_windows(make_video(times=2), starts=[], frames_per_window=3)) == []


def test_only_open_windows_are_read(make_video: MakeVideo, numbers: Numbers) -> None:
    windows = stream_windows(make_video(times=50), starts=[0, 1], frames_per_window=2)
    assert numbers(next(windows)) == [3, 9]
    windows.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "wrong", [{"starts": [1, 0]}, {"starts": [-1]}, {"frames_per_window": 0}, {"fps": 0}, {"duration": 0}]
)
def test_numbers_out_of_range_are_told_before_anything_is_read(tmp_path: Path, wrong: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"starts": [0], "frames_per_window": 2, **wrong}
    with pytest.raises(ValueError, match=r"ascend|at least|positive"):
        stream_windows(tmp_path / "none.mp4", **settings)


def test_errors_of_the_video_come_with_the_first_window(make_video: MakeVideo, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        next(stream_windows(tmp_path / "none.mp4", starts=[0], frames_per_window=2))
    with pytest.raises(VideoError, match="nothing begins at"):
        next(stream_windows(make_video(times=2), starts=[0], frames_per_window=2, start=5))
