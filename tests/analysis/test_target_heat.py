from pathlib import Path

import numpy as np
import pytest
import torch

from cinefoley.analysis.explanation import sound_features_at_frames
from cinefoley.analysis.grad_cam import grad_cam
from cinefoley.analysis.heat import share_inside
from cinefoley.analysis.target_heat import measure_target_heat
from cinefoley.config.foley import FoleyConfig
from cinefoley.data.events.stage_events import stage_boxes
from cinefoley.data.sources.folder import FileClip
from cinefoley.data.sources.stage import StageSource
from cinefoley.evaluation.views import window_of
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.folder import load_foley_config, load_part
from cinefoley.models.video_encoder import VideoEncoder


@pytest.fixture(scope="module")
def foley(whole_model: Path) -> FoleyConfig:
    return load_foley_config(whole_model)


@pytest.fixture(scope="module")
def audio_encoder(whole_model: Path) -> AudioEncoder:
    return load_part(whole_model / "audio_encoder", AudioEncoder)


@pytest.fixture(scope="module")
def encoders(whole_model: Path) -> dict[str, VideoEncoder]:
    names = {"teacher": "video_encoder", "student": "video_encoder_student"}
    return {name: load_part(whole_model / part, VideoEncoder) for name, part in names.items()}


def test_shares_are_means_over_clips_of_means_over_frames(
    encoders: dict[str, VideoEncoder], audio_encoder: AudioEncoder, foley: FoleyConfig
) -> None:
    source = StageSource("test", 3, duration_s=2.5)
    clips = [source[n] for n in range(3)]
    found = measure_target_heat(clips, "full", encoders, audio_encoder, foley)
    expected = []
    for clip in clips:
        video = clip.video(fps=foley.video_fps, size=foley.frame_size, duration=foley.window_s)
        seen = video.frames[: foley.video_frames].float() / 255
        times = (np.arange(len(seen)) + 0.5) / float(foley.video_fps)
        boxes = stage_boxes(clip, None, times_s=times)
        assert boxes is not None
        sound = clip.waveform(foley.mel.sample_rate, duration=foley.window_s)
        heard = sound_features_at_frames(
            audio_encoder, sound, foley.mel, count=len(seen), fps=float(foley.video_fps)
        )
        heats = [grad_cam(encoder, seen, sound_features=heard) for encoder in encoders.values()]
        shares = torch.stack([share_inside(heat, torch.from_numpy(boxes).float()) for heat in heats])
        expected.append(shares[:, shares.isfinite().all(dim=0)].mean(dim=1))
    known = torch.stack(expected)
    known = known[known.isfinite().all(dim=1)]
    assert found.clips == len(known)
    for value, name in zip(known.mean(dim=0).tolist(), encoders, strict=True):
        assert found.shares[name].value == pytest.approx(value, abs=1e-6)
    assert found.gain is not None
    assert found.gain.value == pytest.approx(float((known[:, 1] - known[:, 0]).mean()), abs=1e-6)
    assert found.area.value is not None
    assert 0 < found.area.value < 1


def test_the_same_encoder_twice_gains_nothing(
    encoders: dict[str, VideoEncoder], audio_encoder: AudioEncoder, foley: FoleyConfig
) -> None:
    source = StageSource("test", 12, duration_s=2.5)
    twice = {"teacher": encoders["teacher"], "student": encoders["teacher"]}
    told: list[tuple[int, int]] = []
    found = measure_target_heat(
        [source[n] for n in range(12)],
        "close_up",
        twice,
        audio_encoder,
        foley,
        replicas=20,
        on_clip=lambda done, total: told.append((done, total)),
    )
    assert found.gain is not None
    assert (found.gain.value, found.gain.low, found.gain.high) == (0, 0, 0)
    share = found.shares["teacher"]
    assert share.value is not None
    assert share.low is not None
    assert share.high is not None
    assert share.low < share.value < share.high
    assert told[-1] == (12, 12)


def test_videos_have_no_known_targets(
    encoders: dict[str, VideoEncoder], audio_encoder: AudioEncoder, foley: FoleyConfig, tmp_path: Path
) -> None:
    from cinefoley.media.muxing.save_video import save_video

    save_video(tmp_path / "film.mp4", torch.zeros(12, 3, 48, 64, dtype=torch.uint8), 4)
    video = FileClip(id="film", path=tmp_path / "film.mp4", expected="film.mp4")
    with pytest.raises(ValueError, match="no stage clip"):
        measure_target_heat([video], "full", encoders, audio_encoder, foley)


def test_boxes_follow_the_window() -> None:
    """A window that shows the middle half of the picture doubles a box around that middle."""
    clip = StageSource("test", 1, duration_s=2.5)[0]
    window = window_of(clip, "close_up")
    assert window is not None
    times = np.array([0.1, 1.0, 99.0])
    whole, seen = (stage_boxes(clip, w, times_s=times) for w in (None, window))
    assert whole is not None
    assert seen is not None
    assert whole.shape == seen.shape
    assert whole.shape[1:] == (3, 4)
    height, width = clip.frame_size()
    x0, y0, x1, y1 = (window.boxes(1, (height, width))[0].numpy() / [width, height, width, height]).tolist()
    size = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    np.testing.assert_allclose(seen, (whole - [x0, y0, x0, y0]) / size, atol=2e-3)
