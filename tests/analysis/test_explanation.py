from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.analysis.explanation import Explanation, explain_clip, sound_features_at_frames
from cinefoley.analysis.grad_cam import similarity
from cinefoley.data.sources.folder import FileClip
from cinefoley.data.sources.stage import StageSource
from cinefoley.errors import VideoError
from cinefoley.evaluation.views import window_of
from cinefoley.media.muxing.save_video import save_video
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.folder import load_part
from cinefoley.pipelines.foley import FoleyPipeline

BOTH = {"teacher": "teacher", "student": "student"}


@pytest.fixture(scope="module")
def pipeline(whole_model: Path) -> FoleyPipeline:
    return FoleyPipeline.from_pretrained(whole_model)


@pytest.fixture(scope="module")
def audio_encoder(whole_model: Path) -> AudioEncoder:
    return load_part(whole_model / "audio_encoder", AudioEncoder)


def explain(
    clip: Any, pipeline: FoleyPipeline, audio_encoder: AudioEncoder | None, **more: Any
) -> Explanation:
    options: dict[str, Any] = {"encoders": BOTH, "num_inference_steps": 2} | more
    return explain_clip(clip, pipeline, audio_encoder=audio_encoder, **options)


def video_clip(path: Path) -> FileClip:
    return FileClip(id=path.stem, path=path, expected=path.name)


def test_a_clip_with_sound_is_explained_by_it(pipeline: FoleyPipeline, audio_encoder: AudioEncoder) -> None:
    window_s = pipeline.foley_config.window_s
    clip = StageSource("test", 1, duration_s=max(1.0, window_s), first_seed=3)[0]
    found = explain(clip, pipeline, audio_encoder, num_takes=2)
    count = pipeline.foley_config.video_frames
    assert found.explained == "similarity to the real sound"
    assert list(found.sounds) == [
        "real",
        *(f"{name}, take {k}" for name in BOTH for k in (1, 2)),
    ]
    assert {len(sound) for sound in found.sounds.values()} == {round(found.duration_s * found.sample_rate)}
    assert not torch.equal(found.sounds["teacher, take 1"], found.sounds["student, take 1"])
    assert {tuple(value.shape) for value in found.values.values()} == {(count,)}
    assert all(len(heat) == count and bool((heat >= 0).all()) for heat in found.heats.values())
    # the value is what its name says
    config = pipeline.foley_config
    video = clip.video(fps=config.video_fps, size=config.frame_size, duration=config.window_s)
    pipeline.use_video_encoder("teacher")
    seen = pipeline.encode_video(video.frames[None, :count].float() / 255)[0]
    heard = sound_features_at_frames(
        audio_encoder, found.sounds["real"], config.mel, count=count, fps=float(config.video_fps)
    )
    torch.testing.assert_close(found.values["teacher"], similarity(seen, heard), rtol=1e-4, atol=1e-4)


def test_a_window_is_shown_as_it_is_seen(pipeline: FoleyPipeline, audio_encoder: AudioEncoder) -> None:
    clip = StageSource("test", 1, duration_s=2.5)[0]
    window = window_of(clip, "close_up")
    assert window is not None
    whole, seen = (explain(clip, pipeline, audio_encoder, window=w) for w in (None, window))
    assert seen.frames.shape[-1] < whole.frames.shape[-1]
    assert not torch.equal(seen.values["teacher"], whole.values["teacher"])


def test_a_silent_video_is_explained_by_what_is_made_of_it(
    pipeline: FoleyPipeline, audio_encoder: AudioEncoder, tmp_path: Path, render_film: Any
) -> None:
    found = explain(video_clip(render_film(tmp_path / "film.mp4")), pipeline, audio_encoder)
    assert found.explained == "similarity to the generated sound"
    assert list(found.sounds) == ["teacher", "student"]


def test_without_an_audio_tower_it_is_the_energy(
    pipeline: FoleyPipeline, tmp_path: Path, render_film: Any
) -> None:
    found = explain(video_clip(render_film(tmp_path / "film.mp4")), pipeline, None)
    assert found.explained == "feature energy"
    assert float(found.values["teacher"].min()) > 0


def test_a_short_video_is_explained_as_far_as_it_goes(
    pipeline: FoleyPipeline, audio_encoder: AudioEncoder, tmp_path: Path
) -> None:
    save_video(tmp_path / "film.mp4", torch.zeros(1, 3, 48, 64, dtype=torch.uint8), 4)
    found = explain(video_clip(tmp_path / "film.mp4"), pipeline, audio_encoder)
    assert len(found.frames) == 1
    assert len(found.sounds["teacher"]) == round(found.duration_s * found.sample_rate)


def test_a_video_that_ends_before_the_start_is_told(
    pipeline: FoleyPipeline, audio_encoder: AudioEncoder, tmp_path: Path, render_film: Any
) -> None:
    with pytest.raises(VideoError):
        explain(video_clip(render_film(tmp_path / "film.mp4")), pipeline, audio_encoder, start=9.0)


def test_the_sound_is_heard_at_the_frames_moments(
    pipeline: FoleyPipeline, audio_encoder: AudioEncoder
) -> None:
    """Frames at half the tower's rate take every second feature; what is missing is silence."""
    mel = pipeline.foley_config.mel
    sound = torch.randn(2 * mel.sample_rate, generator=torch.Generator().manual_seed(0)) * 0.1
    step_s = audio_encoder.time_reduction * 250 / mel.sample_rate
    every = sound_features_at_frames(audio_encoder, sound, mel, count=6, fps=1 / step_s)
    second = sound_features_at_frames(audio_encoder, sound, mel, count=3, fps=0.5 / step_s)
    assert every.shape == (6, 16)
    torch.testing.assert_close(second[:2], every[1:4:2], rtol=0.2, atol=0.2)
    assert sound_features_at_frames(audio_encoder, sound[:10], mel, count=6, fps=1 / step_s).isfinite().all()
