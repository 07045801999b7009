"""Variations of real clips, from the folder that CINEFOLEY_CLIPS names."""

from pathlib import Path

import pytest
import torch

from cinefoley.media.audio.files import read_audio
from cinefoley.media.frames.video import load_video
from cinefoley.media.muxing.crop_video import cropped_video_suffix
from cinefoley.media.timing import video_duration
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp
from cinefoley.variations.videos import draw_for_video, load_varied_video, vary_video

pytestmark = pytest.mark.clips


@pytest.mark.parametrize("variation", [CloseUp(), CameraMovement()], ids=["close-up", "camera movement"])
def test_its_varied_video_shows_the_window_and_audio_as_before(
    real_clip: Path, tmp_path: Path, variation: CloseUp | CameraMovement
) -> None:
    out = tmp_path / f"out{cropped_video_suffix(real_clip)}"
    window = draw_for_video(variation, real_clip, generator=torch.Generator().manual_seed(0))
    vary_video(real_clip, out, window)
    view, video = load_varied_video(real_clip, window), load_video(out)
    assert video.size == window.crop_size
    assert torch.equal(view.source_indices, video.source_indices)
    assert (view.frames.float() - video.frames.float()).square().mean() < 255**2 / 10**4.0  # 40 dB
    assert video_duration(out) == video_duration(real_clip)
    sound, before = read_audio(out)[0], read_audio(real_clip)[0]
    length = min(sound.shape[1], before.shape[1])
    assert torch.equal(sound[:, :length], before[:, :length])
    assert abs(sound.shape[1] - before.shape[1]) < 44.1  # these files state their end in milliseconds
