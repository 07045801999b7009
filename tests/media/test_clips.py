"""The room on real clips, from the folder that CINEFOLEY_CLIPS names."""

from pathlib import Path

import pytest
import torch

from cinefoley.errors import MediaError
from cinefoley.media.audio.files import read_audio
from cinefoley.media.frames.video import load_video
from cinefoley.media.frames.windows import stream_windows
from cinefoley.media.muxing.replace_audio import replace_audio, video_hash
from cinefoley.media.probe import probe
from cinefoley.media.timing import video_duration

pytestmark = pytest.mark.clips


def test_its_length_is_what_decoding_gives(real_clip: Path) -> None:
    video = load_video(real_clip)
    assert video.duration == video_duration(real_clip) == pytest.approx(probe(real_clip).duration_s)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_its_frame_is_copied_bit_for_bit(real_clip: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    sound, sample_rate = read_audio(real_clip, sample_rate=16000, mono=True)
    replace_audio(real_clip, sound, out, sample_rate=sample_rate)
    assert video_hash(out) == video_hash(real_clip)
    assert video_duration(out) == pytest.approx(video_duration(real_clip), abs=1e-3)
    again, _ = read_audio(out)
    assert again.shape[1] == pytest.approx(video_duration(real_clip) * 16000, abs=1)
    length = min(again.shape[1], sound.shape[1])
    assert torch.cosine_similarity(again[0, :length], sound[0, :length], dim=0) > 0.98
    assert torch.equal(load_video(out).frames, load_video(real_clip).frames)


def test_its_frame_does_not_fit_into_webm(real_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"h264 video cannot be copied into \.webm"):
        replace_audio(real_clip, torch.zeros(16), tmp_path / "out.webm", sample_rate=16000)
    assert list(tmp_path.iterdir()) == []


def test_its_first_window_is_its_beginning(real_clip: Path) -> None:
    first, second = stream_windows(real_clip, starts=[0, 2.5], frames_per_window=8, size=(64, 64))
    assert torch.equal(first, load_video(real_clip, 4, (64, 64), 0, 2).frames)
    assert torch.equal(second[:4], load_video(real_clip, 4, (64, 64), 2.5, 1).frames)
