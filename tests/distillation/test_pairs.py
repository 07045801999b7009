from pathlib import Path

import pytest
import torch

from cinefoley.config.frame_rate import FrameRate
from cinefoley.config.model import VideoEncoderConfig
from cinefoley.data.cache.clip_frames import ClipFrames, FrameSettings
from cinefoley.data.cache.frame_cache import prepare_frames
from cinefoley.data.cache.tensor_rows import ChunkedRows
from cinefoley.data.sources.stage import StageSource
from cinefoley.distillation.pairs import prepare_teacher_features
from cinefoley.models.build import build_video_encoder
from cinefoley.models.video_encoder import VideoEncoder

SIZE = (16, 16)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> ClipFrames:
    reading = FrameSettings.of(SIZE, FrameRate.of(4), duration_s=1.5, least_s=1.25, scale=0.4)
    cache = tmp_path_factory.mktemp("cache")
    return prepare_frames(StageSource("train", 5, duration_s=1.5), reading, cache, clips_per_file=2)


@pytest.fixture
def encoder() -> VideoEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_video_encoder(VideoEncoderConfig(width=4, blocks=(1, 1, 1, 1), feature_dim=8)).eval()


def test_the_teacher_sees_every_clip_whole_and_once(
    tmp_path: Path, pictures: ClipFrames, encoder: VideoEncoder
) -> None:
    seen: list[int] = []
    handle = encoder.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    first = prepare_teacher_features(pictures, encoder, tmp_path, frame_size=SIZE)
    again = prepare_teacher_features(pictures, encoder, tmp_path, frame_size=SIZE)
    handle.remove()
    assert sum(seen) == 5
    assert isinstance(again, ChunkedRows)
    assert first.shape == (5, 6, 8)
    with torch.no_grad():
        video = pictures.videos(range(5), size=SIZE).float() / 255
        expected = encoder(video, normalize=False)
    assert torch.allclose(first[:], expected, atol=1e-5)
    assert torch.equal(again[:], first[:])


def test_another_teacher_finds_nothing_in_the_cache(
    tmp_path: Path, pictures: ClipFrames, encoder: VideoEncoder
) -> None:
    first = prepare_teacher_features(pictures, encoder, tmp_path, frame_size=SIZE)[:]
    with torch.no_grad():
        encoder.projection.bias.add_(1.0)
    other = prepare_teacher_features(pictures, encoder, tmp_path, frame_size=SIZE)[:]
    assert torch.allclose(other, first + 1, atol=1e-5)
    assert len(list(tmp_path.glob("features-*"))) == 2
