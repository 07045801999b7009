from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from cinefoley.errors import VideoError
from cinefoley.media.audio.files import write_audio
from cinefoley.media.frames.crop import last_frame_time
from cinefoley.media.frames.decoder import FrameReader
from cinefoley.media.frames.video import load_video
from cinefoley.media.frames.windows import stream_windows

MakeVideo = Callable[..., Path]
Box = tuple[int, int, int, int]

UNEVEN = [Fraction(t, 1000) for t in (0, 30, 90, 100, 340, 350, 700, 720, 1300, 1310, 1340, 1900, 1960)]


def sliding(time: Fraction, size: tuple[int, int]) -> Box:
    """A window of 40x24 that moves 20 pixels to the right in a second."""
    x0 = int(20 * time) % 40
    return x0, 10, x0 + 40, 34


def test_each_source_frame_is_cut_to_the_box_of_its_own_time(make_video: MakeVideo) -> None:
    video = make_video(times=50, fps=25)
    whole, cut = load_video(video, fps=4), load_video(video, fps=4, crop=sliding)
    assert cut.size == (24, 40)
    assert torch.equal(cut.source_indices, whole.source_indices)
    for full, shown, index in zip(whole.frames, cut.frames, cut.source_indices.tolist(), strict=True):
        x0, y0, x1, y1 = sliding(Fraction(index, 25), whole.size)
        assert torch.equal(shown, full[:, y0:y1, x0:x1])


def test_a_section_shows_the_same_boxes_as_the_whole_video(make_video: MakeVideo) -> None:
    video = make_video(times=75, fps=25)
    whole = load_video(video, fps=8, crop=sliding).frames
    assert torch.equal(load_video(video, fps=8, start=1, duration=1, crop=sliding).frames, whole[8:16])
    first, second = stream_windows(video, starts=[0, 1], frames_per_window=8, fps=8, crop=sliding)
    assert torch.equal(first, whole[:8])
    assert torch.equal(second, whole[8:16])


def test_the_crop_comes_before_the_resize(make_video: MakeVideo) -> None:
    video = make_video(times=3, size=(48, 80))

    def red_corner(time: Fraction, size: tuple[int, int]) -> Box:
        assert size == (48, 80)
        return 0, 0, 16, 8

    frames = load_video(video, fps=25, size=(30, 50), crop=red_corner).frames.int()
    assert frames[:, 0].min() > 230  # nothing of the grey beside it has bled in
    assert frames[:, 1:].max() < 25


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.ts", "a.avi", "a.h264"])
@pytest.mark.parametrize("num_frames", [1, 50])
def test_the_last_frame_begins_when_decoding_says(make_video: MakeVideo, name: str, num_frames: int) -> None:
    video = make_video(name, times=num_frames)
    with FrameReader(video) as reader:
        assert last_frame_time(video) == max(time for time, _ in reader)


def test_the_last_frame_of_a_variable_rate_begins_when_its_time_says(make_video: MakeVideo) -> None:
    assert last_frame_time(make_video("a.mp4", times=UNEVEN)) == Fraction(1960, 1000)
    assert last_frame_time(make_video("b.mp4", times=UNEVEN, offset=Fraction(7, 2))) == Fraction(49, 25)


def test_audio_alone_has_no_last_frame(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", torch.zeros(16), 16000)
    with pytest.raises(VideoError, match="no video stream"):
        last_frame_time(tmp_path / "a.wav")
