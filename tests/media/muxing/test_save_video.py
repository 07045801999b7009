from fractions import Fraction
from pathlib import Path

import pytest
import torch

from cinefoley.errors import MediaError, OutputError
from cinefoley.media.audio.files import read_audio
from cinefoley.media.frames.video import load_video, video_from_frames
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.probe import probe


def _gradient(count: int, height: int, width: int) -> torch.Tensor:
    """Smooth colours that move: 4:2:0 and a good encoder hardly change them."""
    y, x = torch.meshgrid(torch.linspace(0, 200, height), torch.linspace(0, 200, width), indexing="ij")
    frames = [torch.stack([x + n, y + n, 220 - x]).clamp(0, 255) for n in range(count)]
    return torch.stack(frames).to(torch.uint8)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm"])
def test_what_is_saved_is_loaded_again(tmp_path: Path, name: str) -> None:
    frames = _gradient(12, 64, 96)
    save_video(tmp_path / name, frames, 25)
    loaded = load_video(tmp_path / name, fps=25)
    assert loaded.frames.shape == frames.shape
    assert (loaded.frames.float() - frames.float()).abs().mean() < 3
    assert loaded.duration == pytest.approx(0.48, abs=1e-3)


def test_colours_keep_their_values(tmp_path: Path) -> None:
    colours = torch.tensor(
        [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [40, 90, 160]], dtype=torch.uint8
    )
    frames = colours[:, :, None, None].expand(-1, -1, 32, 48)
    save_video(tmp_path / "a.mp4", frames, 5)
    loaded = load_video(tmp_path / "a.mp4", fps=5).frames[:, :, 16, 24]
    assert (loaded.int() - colours.int()).abs().max() <= 4


@pytest.mark.parametrize(("size", "even"), [((33, 47), (34, 48)), ((1, 1), (2, 2)), ((32, 47), (32, 48))])
def test_odd_sizes_grow_by_a_repeated_line(
    tmp_path: Path, size: tuple[int, int], even: tuple[int, int]
) -> None:
    frames = _gradient(3, *size)
    save_video(tmp_path / "a.mp4", frames, 25, crf=5)
    loaded = load_video(tmp_path / "a.mp4", fps=25)
    assert loaded.size == even
    assert (loaded.frames[:, :, : size[0], : size[1]].float() - frames.float()).abs().mean() < 3


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), 29.97, 10])
def test_the_rate_is_kept_exactly(tmp_path: Path, fps: Fraction | float) -> None:
    save_video(tmp_path / "a.mp4", _gradient(6, 32, 32), fps)
    video = probe(tmp_path / "a.mp4").video
    assert video is not None
    assert video.average_rate == pytest.approx(Fraction(fps).limit_denominator(1001))


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
@pytest.mark.parametrize("length", [8000, 16000, 40000])
def test_audio_is_as_long_as_the_frame(tmp_path: Path, name: str, length: int) -> None:
    tone = torch.sin(torch.arange(length) * 0.05) / 2
    save_video(tmp_path / name, _gradient(25, 32, 32), 25, waveform=tone, sample_rate=16000)
    sound, sample_rate = read_audio(tmp_path / name)
    assert (sound.shape, sample_rate) == ((1, 16000), 16000)
    kept = min(length, 16000)
    assert (sound[0, :kept] - tone[:kept]).abs().mean() < 0.02


def test_a_clip_brings_its_rate(tmp_path: Path) -> None:
    save_video(tmp_path / "a.mp4", video_from_frames(_gradient(10, 32, 32), 10))
    assert probe(tmp_path / "a.mp4").duration_s == pytest.approx(1)


def test_mistakes_are_told(tmp_path: Path) -> None:
    frames = _gradient(2, 32, 32)
    with pytest.raises(ValueError, match="pass fps"):
        save_video(tmp_path / "a.mp4", frames)
    with pytest.raises(ValueError, match="sample_rate"):
        save_video(tmp_path / "a.mp4", frames, 25, waveform=torch.zeros(9))
    with pytest.raises(ValueError, match="uint8"):
        save_video(tmp_path / "a.mp4", frames.float(), 25)
    with pytest.raises(MediaError, match=r"a\.gif: videos are written as"):
        save_video(tmp_path / "a.gif", frames, 25)
    with pytest.raises(OutputError, match="does not exist"):
        save_video(tmp_path / "nowhere" / "a.mp4", frames, 25)
    assert list(tmp_path.iterdir()) == []
