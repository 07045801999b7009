from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from cinefoley import render_clip, save_video
from cinefoley.errors import CheckpointMismatchError, MissingWeightsError, VideoError
from cinefoley.media.frames.video import load_video, video_from_frames
from cinefoley.models.prepacked import can_prepack
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.foley import FoleyPipeline

RATE, WINDOW = 16000, 40_000  # the tiny model: windows of 2.5 s, ten frames of 32 pixels
Render = Callable[..., Path]


@pytest.fixture
def pipeline(tiny_model: Path) -> FoleyPipeline:
    return FoleyPipeline.from_pretrained(tiny_model)


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory, render_film: Render) -> Path:
    return render_film(tmp_path_factory.mktemp("films") / "long.mp4", duration_s=5.3)


def test_sound_is_exactly_as_long_as_the_picture(
    pipeline: FoleyPipeline, tmp_path: Path, render_film: Render
) -> None:
    for seconds in (1.0, 2.5, 4.75):
        video = render_film(tmp_path / f"{seconds}.mp4", duration_s=seconds)
        result = pipeline(video, num_takes=2, num_inference_steps=1)
        assert result.audios.shape == (2, seconds * RATE)
        assert result.audios.dtype == torch.float32


def test_the_same_seed_gives_the_same_takes_and_another_seed_others(
    pipeline: FoleyPipeline, long_video: Path
) -> None:
    first, second = (pipeline(long_video, seed=5, num_inference_steps=2).audios for _ in range(2))
    other = pipeline(long_video, seed=6, num_inference_steps=2).audios
    assert torch.equal(first, second)
    assert not torch.allclose(first, other, atol=1e-3)


def test_a_take_does_not_depend_on_how_many_there_are(pipeline: FoleyPipeline, long_video: Path) -> None:
    one = pipeline(long_video, num_takes=1, num_inference_steps=2)
    three = pipeline(long_video, num_takes=3, num_inference_steps=2)
    assert torch.allclose(one.mels[0], three.mels[0], atol=1e-4)
    assert not torch.allclose(three.mels[0], three.mels[1], atol=1e-2)


def test_takes_beyond_a_batch_are_takes_like_others(pipeline: FoleyPipeline, long_video: Path) -> None:
    result = pipeline(long_video, num_takes=18, num_inference_steps=1, duration=2.0)
    assert result.audios.shape == (18, 2 * RATE)
    assert len({tuple(mel.flatten()[:50].tolist()) for mel in result.mels[:, 0]}) == 18


def test_what_is_no_video_and_what_is_no_option_is_told(
    pipeline: FoleyPipeline, long_video: Path, tiny_model: Path
) -> None:
    for nothing in ([long_video, long_video], render_clip(0, duration_s=1.0), None):
        with pytest.raises(TypeError, match="a video is a file, a Video, or a tensor"):
            pipeline(nothing)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"unknown arguments: steps\. .*num_inference_steps"):
        pipeline(long_video, steps=3)  # type: ignore[call-arg]
    for name, value in (("video_encodr", "teacher"), ("dtype", torch.float16), ("scheduler", None)):
        with pytest.raises(TypeError, match=f"unknown arguments: {name}"):
            FoleyPipeline.from_pretrained(tiny_model, **{name: value})  # type: ignore[arg-type]


def test_a_clip_of_the_stage_is_a_video(pipeline: FoleyPipeline, tmp_path: Path) -> None:
    clip = render_clip(0, duration_s=1.0)
    save_video(tmp_path / "clip.mkv", clip.as_video(), waveform=clip.waveform, sample_rate=clip.sample_rate)
    assert clip.as_video().frames.permute(0, 2, 3, 1).numpy().tobytes() == clip.frames.tobytes()
    assert pipeline(clip.as_video(), num_inference_steps=1).audios.shape == (1, RATE)
    with pytest.raises(TypeError, match="of a stage clip give its as_video"):
        save_video(tmp_path / "clip.mkv", clip)  # type: ignore[arg-type]


def test_a_generator_can_stand_in_for_the_seed(pipeline: FoleyPipeline, long_video: Path) -> None:
    drawn = pipeline(long_video, generator=torch.Generator().manual_seed(3), num_inference_steps=1)
    again = pipeline(long_video, seed=drawn.seed, num_inference_steps=1)
    assert torch.equal(drawn.audios, again.audios)
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=r"seed must be 0 to 2\*\*32 - 1"):
            pipeline(long_video, seed=seed)
    with pytest.raises(ValueError, match="not both"):
        pipeline(long_video, seed=1, generator=torch.Generator())


def test_a_long_video_is_windows_that_stream_into_the_whole(
    pipeline: FoleyPipeline, long_video: Path
) -> None:
    whole = pipeline(long_video, num_takes=2, num_inference_steps=1, seed=4)
    blocks = list(pipeline.stream(long_video, num_takes=2, num_inference_steps=1, seed=4))
    assert [block.window for block in blocks] == list(range(len(pipeline.plan(long_video))))
    assert len(blocks) == 3
    assert torch.equal(torch.cat([block.audios for block in blocks], dim=1), whole.audios)
    assert whole.mels.shape == (2, 3, 64, 160)
    assert whole.video_features.shape == (3, 10, 16)


def test_each_window_sees_its_own_frames(pipeline: FoleyPipeline, long_video: Path) -> None:
    plan = pipeline.plan(long_video)
    features = pipeline(long_video, num_inference_steps=1).video_features
    for index, start in enumerate(plan.starts):
        clip = load_video(long_video, fps=4, size=(32, 32), start=start / RATE, duration=2.5)
        expected = pipeline.encode_video(clip.frames[None].float() / 255)[0]
        assert torch.allclose(features[index], expected, atol=1e-5)


def test_a_section_is_as_long_as_asked_for(pipeline: FoleyPipeline, long_video: Path) -> None:
    result = pipeline(long_video, start=1.0, duration=1.5, num_inference_steps=1)
    assert result.audios.shape == (1, 1.5 * RATE)
    to_the_end = pipeline(long_video, start=4.0, duration=60.0, num_inference_steps=1)
    assert to_the_end.audios.shape[1] == round((64 / 12 - 4.0) * RATE), "64 pictures at 12 fps"


def test_video_clip_and_frames_give_the_same_sound(
    pipeline: FoleyPipeline, tmp_path: Path, render_film: Render
) -> None:
    video = render_film(tmp_path / "film.mp4", duration_s=2.5, size=(32, 32))
    clip = load_video(video, fps=12)
    frames = load_video(video, fps=4).frames[None].float() / 255
    by_file, by_clip, by_frames = (pipeline(x, num_inference_steps=2).mels for x in (video, clip, frames))
    assert torch.allclose(by_file, by_clip, atol=1e-5)
    assert torch.allclose(by_file, by_frames, atol=1e-5)


def test_features_have_unit_norm_and_any_size_is_squashed(pipeline: FoleyPipeline) -> None:
    features = pipeline.encode_video(torch.rand(2, 5, 3, 40, 70))
    assert features.shape == (2, 5, 16)
    assert torch.allclose(features.norm(dim=-1), torch.ones(2, 5), atol=1e-5)
    clip = video_from_frames(torch.randint(0, 255, (30, 3, 32, 32), dtype=torch.uint8), fps=12)
    assert pipeline.encode_video(clip).shape == (1, 10, 16)


def test_guidance_of_one_is_the_conditional_model_alone(pipeline: FoleyPipeline) -> None:
    features = torch.nn.functional.normalize(torch.randn(1, 10, 16), dim=-1)
    noise = torch.randn(1, *pipeline.latent_shape)
    one = pipeline.sample(features, latents=noise, num_inference_steps=3, guidance_scale=1.0)
    near = pipeline.sample(features, latents=noise, num_inference_steps=3, guidance_scale=1.0 + 1e-6)
    assert torch.allclose(one, near, atol=1e-3)
    zero = pipeline.sample(features, latents=noise, num_inference_steps=3, guidance_scale=0.0)
    other = pipeline.sample(-features, latents=noise, num_inference_steps=3, guidance_scale=0.0)
    assert torch.allclose(zero, other, atol=1e-5), "without guidance the film must not matter"
    assert not torch.allclose(one, zero, atol=1e-4)


def test_guidance_moves_away_from_the_unconditional_prediction(pipeline: FoleyPipeline) -> None:
    """One step is linear in the prediction, so the scale extrapolates exactly (paper, Eq. 4)."""
    features = torch.nn.functional.normalize(torch.randn(1, 10, 16), dim=-1)
    noise = torch.randn(1, *pipeline.latent_shape)
    zero, one, four = (
        pipeline.sample(features, latents=noise, num_inference_steps=1, guidance_scale=w)
        for w in (0.0, 1.0, 4.5)
    )
    assert torch.allclose(four, zero + 4.5 * (one - zero), atol=1e-3 * float(four.abs().max()))


def test_a_saved_model_is_the_same_model_offline(
    pipeline: FoleyPipeline, tmp_path: Path, long_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pipeline.save_pretrained(tmp_path / "copy")
    copy = FoleyPipeline.from_pretrained(tmp_path / "copy")
    assert isinstance(copy, DiffusionPipeline)
    assert copy.foley_config == pipeline.foley_config
    assert torch.equal(
        copy(long_video, num_inference_steps=2).audios, pipeline(long_video, num_inference_steps=2).audios
    )
    assert sorted(p.suffix for p in (tmp_path / "copy").rglob("*model.*")) == [".safetensors"] * 4


def test_a_student_is_used_where_there_is_one_and_the_teacher_on_request(
    pipeline: FoleyPipeline, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    student = VideoEncoder(width=4, blocks=(1, 1, 1, 1), feature_dim=16)
    with_student = FoleyPipeline(
        **pipeline.components | {"video_encoder_student": student}, foley_config=pipeline.foley_config
    )
    with_student.save_pretrained(tmp_path)
    video = torch.rand(1, 4, 3, 32, 32)
    expected_student = torch.nn.functional.normalize(student.eval()(video), dim=-1)
    expected_teacher = pipeline.encode_video(video)
    loaded = FoleyPipeline.from_pretrained(tmp_path)
    assert torch.allclose(loaded.encode_video(video), expected_student, atol=1e-5)
    teacher = FoleyPipeline.from_pretrained(tmp_path, video_encoder="teacher")
    assert torch.allclose(teacher.encode_video(video), expected_teacher, atol=1e-5)
    by_folder = FoleyPipeline.from_pretrained(tmp_path, video_encoder=tmp_path / "video_encoder_student")
    assert torch.allclose(by_folder.encode_video(video), expected_student, atol=1e-5)
    with pytest.raises(ValueError, match="no student"):
        pipeline.use_video_encoder("student")


def test_an_encoder_for_another_generator_is_refused(pipeline: FoleyPipeline, tmp_path: Path) -> None:
    VideoEncoder(width=4, blocks=(1, 1, 1, 1), feature_dim=24).save_pretrained(tmp_path)
    with pytest.raises(CheckpointMismatchError, match="features have width 24, this generator needs 16"):
        pipeline.use_video_encoder(tmp_path)
    assert pipeline.video_encoder_student is None


def test_one_video_at_a_time(pipeline: FoleyPipeline) -> None:
    """What lies behind the first of a batch would be ignored in silence."""
    with pytest.raises(ValueError, match="give one video at a time"):
        pipeline(torch.rand(2, 4, 3, 32, 32), num_inference_steps=1)


def test_half_a_model_is_not_uploaded(pipeline: FoleyPipeline, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"huggingface_hub\.upload_folder"):
        pipeline.save_pretrained(tmp_path / "model", push_to_hub=True)
    assert not (tmp_path / "model").exists()


def test_an_unknown_model_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"No model 'large'.*bundled \(lite\)"):
        FoleyPipeline.from_pretrained("large")
    with pytest.raises(MissingWeightsError, match="not a model folder"):
        FoleyPipeline.from_pretrained(tmp_path)


def test_a_missing_and_a_foreign_part_are_named(pipeline: FoleyPipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    (tmp_path / "unet").rename(tmp_path / "away")
    with pytest.raises(MissingWeightsError, match="unet: no such folder"):
        FoleyPipeline.from_pretrained(tmp_path)
    (tmp_path / "vae").rename(tmp_path / "unet")
    with pytest.raises(CheckpointMismatchError, match=r"unet.*keys missing"):
        FoleyPipeline.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (torch.rand(4, 3, 32, 32), r"must be \(B, T, 3, H, W\)"),
        (torch.zeros(1, 4, 3, 32, 32, dtype=torch.uint8), "divide uint8 frames by 255"),
        (torch.full((1, 4, 3, 32, 32), 2.0), r"must lie in \[0, 1\]"),
        (torch.full((1, 4, 3, 32, 32), float("nan")), r"must lie in \[0, 1\]"),
    ],
)
def test_frames_that_are_no_video_are_refused(
    pipeline: FoleyPipeline, video: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pipeline.encode_video(video)


def test_numbers_out_of_range_are_refused(pipeline: FoleyPipeline, long_video: Path) -> None:
    with pytest.raises(ValueError, match="num_takes must be at least 1"):
        pipeline(long_video, num_takes=0)
    with pytest.raises(ValueError, match="num_inference_steps must be at least 1"):
        pipeline(long_video, num_inference_steps=0)
    with pytest.raises(ValueError, match="guidance_scale must be 0 or more"):
        pipeline(long_video, guidance_scale=float("nan"))
    with pytest.raises(ValueError, match="latents must be"):
        pipeline.sample(torch.rand(1, 10, 16), latents=torch.rand(1, 4, 2, 2))
    with pytest.raises(VideoError, match=r"nothing is left at 9\.000 s"):
        pipeline(long_video, start=9.0)


def test_progress_counts_every_step(pipeline: FoleyPipeline, long_video: Path) -> None:
    seen: list[tuple[int, int]] = []
    pipeline(long_video, num_inference_steps=2, on_step=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 6) for n in range(1, 7)]


def test_waveform_follows_the_mel(pipeline: FoleyPipeline) -> None:
    mel = torch.zeros(1, 64, 160)
    mel[:, 20:30, 80:90] = 0.8
    waveform = pipeline.vocode(mel)[0]
    assert waveform.shape == (WINDOW,)
    energy = np.add.reduceat(waveform.square().numpy(), range(0, WINDOW, 2500))
    assert energy.argmax() == 8, "the sound must lie where the mel is bright"


@pytest.mark.skipif(not can_prepack(), reason="this processor has no packed bfloat16")
def test_a_prepacked_pipeline_makes_the_same_and_is_not_saved(tiny_model: Path, tmp_path: Path) -> None:
    plain, packed = (FoleyPipeline.from_pretrained(tiny_model, torch_dtype=torch.bfloat16) for _ in range(2))
    assert packed.prepack() > 0
    frames, noise = torch.rand(1, 10, 3, 32, 32), torch.randn(1, *plain.latent_shape)
    features = plain.encode_video(frames)
    assert torch.allclose(packed.encode_video(frames), features, atol=0.02)
    expected = plain.sample(features, latents=noise, num_inference_steps=3)
    latents = packed.sample(features, latents=noise, num_inference_steps=3)
    assert (latents - expected).norm() / expected.norm() < 0.05
    assert (
        packed(frames, num_inference_steps=1).audios.shape
        == plain(frames, num_inference_steps=1).audios.shape
    )
    with pytest.raises(ValueError, match="load the model again"):
        packed.save_pretrained(tmp_path / "copy")


def test_nothing_is_packed_in_float32(pipeline: FoleyPipeline, tmp_path: Path) -> None:
    assert pipeline.prepack() == 0
    pipeline.save_pretrained(tmp_path / "copy")
