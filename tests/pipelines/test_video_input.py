import pytest
import torch

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.mel import MelConfig
from cinefoley.errors import VideoError
from cinefoley.media.frames.video import video_from_frames
from cinefoley.pipelines.video_input import plan_video, window_frames
from cinefoley.pipelines.windows import OVERLAP_S

# windows of 2.5 s, ten frames of 32 pixels
CONFIG = FoleyConfig(
    mel=MelConfig(hop_length=250, n_mels=64), mel_frames=160, video_frames=10, frame_size=(32, 32)
)


def test_frames_last_as_long_as_their_rate_says() -> None:
    plan = plan_video(torch.zeros(1, 14, 3, 32, 32), CONFIG)
    assert (plan.total, plan.window, len(plan)) == (14 * 4000, 40_000, 2)
    assert plan.fade == OVERLAP_S * 16000
    assert plan_video(torch.zeros(1, 14, 3, 32, 32), CONFIG, start=1.0, duration=0.5).total == 8000


def test_every_window_gets_the_frames_of_its_time() -> None:
    shades = torch.arange(14) / 14
    video = shades[None, :, None, None, None].expand(1, 14, 3, 32, 32)
    plan = plan_video(video, CONFIG)
    first, second = window_frames(video, plan, CONFIG)
    expected = (shades * 255).round().to(torch.uint8)
    assert first[:, 0, 0, 0].tolist() == expected[:10].tolist()
    assert second[:, 0, 0, 0].tolist() == expected[4:].tolist()
    assert first.shape == (10, 3, 32, 32)


def test_a_clip_and_its_frames_have_the_same_windows() -> None:
    pixels = torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8)
    clip, frames = video_from_frames(pixels, fps=4), pixels[None].float() / 255
    plan = plan_video(frames, CONFIG)
    assert plan_video(clip, CONFIG) == plan
    for from_clip, from_frames in zip(
        window_frames(clip, plan, CONFIG), window_frames(frames, plan, CONFIG), strict=True
    ):
        assert torch.equal(from_clip, from_frames)


def test_nothing_after_the_end_and_nothing_before_the_start() -> None:
    video = torch.zeros(1, 8, 3, 32, 32)
    with pytest.raises(VideoError, match=r"lasts 2\.000 s, so nothing is left at 2\.000 s"):
        plan_video(video, CONFIG, start=2.0)
    with pytest.raises(ValueError, match="need start >= 0 and duration > 0"):
        plan_video(video, CONFIG, start=-0.1)
