"""The model that ships: its size, its card, and that it does what the README says."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cinefoley.config.presets import lite
from cinefoley.data.cache.stage_cache import KIND_NAMES
from cinefoley.data.sources.stage import StageClip, StageSource
from cinefoley.evaluation.stage.take_metrics import measure_takes
from cinefoley.evaluation.stage.take_summary import summarise_takes
from cinefoley.evaluation.views import View, window_of
from cinefoley.metrics.alignment import AlignmentScorer
from cinefoley.metrics.backbones.lite import LITE_FOLDER, LiteBackbone
from cinefoley.models.kinds import Kinds
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.loading import resolve_model
from cinefoley.stage import draw_take, stage_digest
from cinefoley.variations.window import Window

PART_LIMIT, WHOLE_LIMIT, JUDGE_LIMIT = 16 * 2**20, 40 * 2**20, 8 * 2**20
JUDGES = ("alignment", "lite_backbone")


@pytest.fixture(scope="module")
def pipeline() -> FoleyPipeline:
    return FoleyPipeline.from_pretrained("lite")


def test_every_part_fits_its_limit_and_is_half_precision() -> None:
    parts = [*sorted(resolve_model("lite").rglob("*.safetensors")), LITE_FOLDER / "model.safetensors"]
    sizes = {part.parent.name: part.stat().st_size for part in parts}
    assert set(sizes) == {
        *("audio_encoder", "conditioner", "kinds", "unet", "vae", "video_encoder", "video_encoder_student"),
        *JUDGES,
    }
    assert max(sizes.values()) <= PART_LIMIT
    assert all(sizes[name] <= JUDGE_LIMIT for name in JUDGES)
    assert sum(size for name, size in sizes.items() if name not in JUDGES) <= WHOLE_LIMIT
    for part in parts:
        kinds = {value.dtype for value in load_file(part).values() if value.is_floating_point()}
        assert kinds == {torch.float16}, part.parent.name


def test_it_is_what_its_preset_says(pipeline: FoleyPipeline) -> None:
    preset = lite()
    assert pipeline.foley_config == preset.foley
    assert tuple(pipeline.unet.config.block_out_channels) == preset.denoiser.block_out_channels
    assert pipeline.scheduler.config.prediction_type == preset.denoiser.prediction_type
    assert pipeline.latent_shape == (4, 16, 64)


@pytest.mark.slow
def test_its_sounds_fit_the_videos(pipeline: FoleyPipeline) -> None:
    """A short form of recipes/lite_figures.py, on clips of the valid split and with fewer steps."""
    judge = AlignmentScorer.from_model(resolve_model("lite")).eval()
    takes = measure_takes(
        pipeline, judge, LiteBackbone(), range(16), split="valid", num_inference_steps=8, batch_size=8
    )
    report = summarise_takes(takes)
    assert report["onset F1"].value >= 0.4
    assert report["onset F1"].value >= report["onset F1, other clip"].value + 0.1
    assert report["alignment accuracy"].value >= 0.5
    assert report["kind heard"].value >= 0.4


@pytest.mark.slow
def test_its_student_sees_in_crops_what_its_teacher_sees_in_the_whole(pipeline: FoleyPipeline) -> None:
    """A short form of what its card says, on clips of the valid split."""
    source = StageSource("valid", 16, duration_s=pipeline.foley_config.window_s)
    views: tuple[View, ...] = ("full", "close_up", "camera_movement")
    seen: dict[tuple[str, View], torch.Tensor] = {}
    for view in views:
        video = torch.stack(
            [_watch(source[n], window_of(source[n], view), pipeline) for n in range(len(source))]
        )
        for watcher in ("teacher", "student"):
            pipeline.use_video_encoder(watcher)
            seen[watcher, view] = pipeline.encode_video(video)
    pipeline.use_video_encoder("student")
    distances = {
        key: float((1 - (features * seen["teacher", "full"]).sum(dim=-1)).mean())
        for key, features in seen.items()
    }
    assert distances["student", "full"] < 0.05
    for view in views[1:]:
        assert distances["student", view] < 0.75 * distances["teacher", view]


def _watch(clip: StageClip, window: Window | None, pipeline: FoleyPipeline) -> torch.Tensor:
    config = pipeline.foley_config
    video = clip.video(fps=config.video_fps, size=config.frame_size, duration=config.window_s, window=window)
    return video.frames[: config.video_frames].float() / 255


def test_the_audio_classifier_knows_the_stages_kinds() -> None:
    backbone = LiteBackbone()
    assert tuple(backbone.classes) == KIND_NAMES
    right = 0
    takes = [draw_take(100 + n, split="valid", kind=kind) for n, kind in enumerate(KIND_NAMES)]
    heard = [take for take in takes if take.waveform(16000).any()]
    for take in heard:
        logits = backbone.embed(torch.from_numpy(take.waveform(16000)), 16000).logits
        assert logits is not None
        right += backbone.classes[int(logits.argmax())] == take.actor.kind
    assert right >= 0.85 * len(heard)


def test_the_card_carries_its_figures_and_their_protocol() -> None:
    card = Path(resolve_model("lite") / "README.md").read_text()
    assert "It knows only the stage." in " ".join(card.split())
    assert "| alignment accuracy |" in card
    assert f"Protocol: stage {stage_digest()[:12]}, split test, clips 0 to 499, 4 takes" in card
    assert json.loads((LITE_FOLDER / "config.json").read_text())["classes"] == list(KIND_NAMES)


def test_the_kinds_belong_to_the_encoders() -> None:
    kinds = Kinds.load(resolve_model("lite"))  # after training: python recipes/kinds.py

    assert kinds is not None
    assert "hammer" in kinds.names
