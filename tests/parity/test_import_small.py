"""CAVP and the conditioner at full size, imported with a small generator around them.

The reference's outputs are in ``fixtures/cavp.npz`` and ``fixtures/ldm_modules.npz``; tolerances are those
that their makers recommend (float32, relative to the largest number).
"""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch

from cinefoley.config.presets import diff_foley
from cinefoley.models.importing.diff_foley import import_diff_foley
from cinefoley.pipelines.foley import FoleyPipeline

Draw = Callable[..., torch.Tensor]


@pytest.fixture(scope="module")
def pipeline(
    tmp_path_factory: pytest.TempPathFactory,
    empty_state: Callable[[str], dict[str, torch.Tensor]],
    reference_weights: ModuleType,
) -> FoleyPipeline:
    full = diff_foley()
    config = replace(
        full,
        denoiser=replace(full.denoiser, block_out_channels=(32, 64, 128, 128)),
        autoencoder=replace(full.autoencoder, block_out_channels=(32, 64, 128, 128)),
    )
    folder = tmp_path_factory.mktemp("small")
    cavp, ldm = empty_state("cavp"), empty_state("ldm")
    for key, value in cavp.items():
        if key.startswith("spec_encoder."):  # is checked, and not imported: one stored zero will do
            cavp[key] = torch.zeros((), dtype=value.dtype).expand(value.shape)
    reference_weights.fill_(
        {key: value for key, value in cavp.items() if not key.startswith("spec_encoder.")}
    )
    ldm = {key: torch.zeros([_shrink(key, size) for size in value.shape]) for key, value in ldm.items()}
    reference_weights.fill_(ldm)
    torch.save({"state_dict": {f"module.{key}": value for key, value in cavp.items()}}, folder / "cavp.ckpt")
    torch.save({"state_dict": ldm}, folder / "ldm.ckpt")
    files: Any = {"cavp": folder / "cavp.ckpt", "ldm": folder / "ldm.ckpt"}
    import_diff_foley(folder / "model", files, config=config)
    return FoleyPipeline.from_pretrained(folder / "model")


def _shrink(key: str, size: int) -> int:
    if key.startswith("model.diffusion_model."):
        return size // 10 if size % 320 == 0 else size
    return size // 4 if key.startswith("first_stage_model.") and size >= 128 else size


@pytest.mark.parametrize("frames", [8, 32])
def test_video_features(
    frames: int, pipeline: FoleyPipeline, reference_input: Draw, reference_fixture: Any, assert_close: Any
) -> None:
    expected = reference_fixture("cavp")
    video = reference_input(f"cavp_video_T{frames}", (1, frames, 3, 224, 224), "uniform")
    assert torch.equal(video.flatten()[:8], torch.from_numpy(expected[f"video_T{frames}_input_first8"]))
    assert_close(pipeline.encode_video(video), expected[f"video_T{frames}_norm"], 1e-5)
    if frames == 8:
        with torch.no_grad():
            raw = pipeline.video_encoder(video, normalize=False)
        assert_close(raw, expected["video_T8_raw"], 1e-4)


@pytest.mark.parametrize("frames", [32, 33, 40])
def test_context(
    frames: int, pipeline: FoleyPipeline, reference_input: Draw, reference_fixture: Any, assert_close: Any
) -> None:
    features = reference_input(f"video_feat_{frames}", (1, frames, 512), has_unit_norm=True)
    assert_close(pipeline.embed(features), reference_fixture("ldm_modules")[f"cond_{frames}"], 1e-6)


def test_the_context_has_no_41st_position(pipeline: FoleyPipeline) -> None:
    with pytest.raises(ValueError, match="40 positions, got 41 frames"):
        pipeline.embed(torch.zeros(1, 41, 512))
