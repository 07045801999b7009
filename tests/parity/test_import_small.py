"""Both towers of CAVP and the conditioner at full size, imported with a small generator around them.

The reference's outputs are in ``fixtures/cavp.npz`` and ``fixtures/ldm_modules.npz``; tolerances are those
that their makers recommend (float32, relative to the largest number).
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from cinefoley.config.presets import diff_foley
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.clip_pooling import pool_clip
from cinefoley.models.folder import load_part
from cinefoley.models.importing.diff_foley import import_diff_foley
from cinefoley.pipelines.foley import FoleyPipeline

Draw = Callable[..., torch.Tensor]


@pytest.fixture(scope="module")
def imported(
    tmp_path_factory: pytest.TempPathFactory,
    empty_state: Callable[[str], dict[str, torch.Tensor]],
    reference_weights: ModuleType,
) -> Iterator[Path]:
    full = diff_foley()
    config = replace(
        full,
        denoiser=replace(full.denoiser, block_out_channels=(32, 64, 128, 128)),
        autoencoder=replace(full.autoencoder, block_out_channels=(32, 64, 128, 128)),
    )
    folder = tmp_path_factory.mktemp("small")
    cavp, ldm = empty_state("cavp"), empty_state("ldm")
    ldm = {key: torch.zeros([_shrink(key, size) for size in value.shape]) for key, value in ldm.items()}
    for state in (cavp, ldm):
        reference_weights.fill_(state)
    torch.save({"state_dict": {f"module.{key}": value for key, value in cavp.items()}}, folder / "cavp.ckpt")
    torch.save({"state_dict": ldm}, folder / "ldm.ckpt")
    files: Any = {"cavp": folder / "cavp.ckpt", "ldm": folder / "ldm.ckpt"}
    import_diff_foley(folder / "model", files, config=config)
    yield folder / "model"
    shutil.rmtree(folder)  # pytest would keep these 1 GB for three runs


@pytest.fixture(scope="module")
def pipeline(imported: Path) -> FoleyPipeline:
    return FoleyPipeline.from_pretrained(imported)


@pytest.fixture(scope="module")
def audio_encoder(imported: Path) -> AudioEncoder:
    return load_part(imported / "audio_encoder", AudioEncoder)


@pytest.fixture(scope="module")
def expected(reference_fixture: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return reference_fixture("cavp")


def _shrink(key: str, size: int) -> int:
    if key.startswith("model.diffusion_model."):
        return size // 10 if size % 320 == 0 else size
    return size // 4 if key.startswith("first_stage_model.") and size >= 128 else size


@pytest.mark.slow
@pytest.mark.parametrize("frames", [8, 32])
@torch.no_grad()
def test_video_features(
    frames: int, pipeline: FoleyPipeline, reference_input: Draw, expected: dict[str, Any], assert_close: Any
) -> None:
    video = reference_input(f"cavp_video_T{frames}", (1, frames, 3, 224, 224), "uniform")
    assert torch.equal(video.flatten()[:8], torch.from_numpy(expected[f"video_T{frames}_input_first8"]))
    assert_close(pipeline.encode_video(video), expected[f"video_T{frames}_norm"], 1e-5)
    raw = pipeline.video_encoder(video, normalize=False)
    assert_close(raw, expected[f"video_T{frames}_raw"], 1e-4)
    with pytest.raises(ValueError, match="features of one clip must be"):
        pool_clip(raw)


@torch.no_grad()
def test_a_pooled_clip_of_video(
    pipeline: FoleyPipeline, reference_input: Draw, expected: dict[str, Any], assert_close: Any
) -> None:
    video = reference_input("cavp_video_T16", (1, 16, 3, 224, 224), "uniform")
    raw = pipeline.video_encoder(video, normalize=False)
    assert_close(raw, expected["video_T16_raw"], 1e-4)
    assert_close(raw.amax(dim=1), expected["video_T16_pool_raw"], 1e-4)
    assert_close(pool_clip(raw), expected["video_T16_pool_norm"], 1e-5)
    assert_close(pool_clip(raw), expected["forward_video"], 1e-5)


@pytest.mark.parametrize("frames", [256, 512])
@torch.no_grad()
def test_features_of_spectrograms(
    frames: int,
    audio_encoder: AudioEncoder,
    reference_input: Draw,
    expected: dict[str, Any],
    assert_close: Any,
) -> None:
    mel = reference_input(f"cavp_spec_{frames}", (1, 128, frames), "uniform")
    raw = audio_encoder(mel)
    assert_close(raw, expected[f"spec_{frames}_raw"], 1e-4)
    assert_close(audio_encoder(mel, normalize=True), expected[f"spec_{frames}_norm"], 1e-5)
    if frames == 256:
        assert_close(pool_clip(raw), expected["spec_256_pool_norm"], 1e-5)
        assert_close(pool_clip(raw), expected["forward_spec"], 1e-5)


@torch.no_grad()
def test_the_halves_of_a_window_are_pooled_clip_by_clip(
    audio_encoder: AudioEncoder, reference_input: Draw, expected: dict[str, Any], assert_close: Any
) -> None:
    """Of 32 frames the reference makes two maxima; the maxima are right, its norm across the two is not."""
    raw = audio_encoder(reference_input("cavp_spec_512", (1, 128, 512), "uniform"))
    for half in (0, 1):
        maxima = torch.from_numpy(expected["spec_512_pool_raw"][..., half])
        clip = pool_clip(raw[:, 16 * half : 16 * (half + 1)])
        assert_close(clip, torch.nn.functional.normalize(maxima, dim=-1).numpy(), 1e-5)


def test_the_temperature_of_the_training(
    audio_encoder: AudioEncoder, expected: dict[str, Any], assert_close: Any
) -> None:
    assert_close(audio_encoder.logit_scale, expected["logit_scale"], 1e-6)
    assert_close(audio_encoder.logit_scale.exp(), expected["logit_scale_exp"], 1e-6)


@pytest.mark.parametrize("frames", [32, 33, 40])
def test_context(
    frames: int, pipeline: FoleyPipeline, reference_input: Draw, reference_fixture: Any, assert_close: Any
) -> None:
    features = reference_input(f"video_feat_{frames}", (1, frames, 512), has_unit_norm=True)
    assert_close(pipeline.embed(features), reference_fixture("ldm_modules")[f"cond_{frames}"], 1e-6)


def test_the_context_has_no_41st_position(pipeline: FoleyPipeline) -> None:
    with pytest.raises(ValueError, match="40 positions, got 41 frames"):
        pipeline.embed(torch.zeros(1, 41, 512))
