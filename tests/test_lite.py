"""The model that ships: its size, its card, and that it does what the README says."""

from pathlib import Path

import pytest
import torch

from cinefoley.config.presets import lite
from cinefoley.evaluation.synchrony import measure_synchrony
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.loading import resolve_model

PART_LIMIT, WHOLE_LIMIT = 16 * 2**20, 40 * 2**20


@pytest.fixture(scope="module")
def pipeline() -> FoleyPipeline:
    return FoleyPipeline.from_pretrained("lite")


def test_every_part_fits_its_limit_and_is_half_precision() -> None:
    from safetensors.torch import load_file

    parts = sorted(resolve_model("lite").rglob("*.safetensors"))
    assert [part.parent.name for part in parts] == ["conditioner", "unet", "vae", "video_encoder"]
    sizes = [part.stat().st_size for part in parts]
    assert max(sizes) <= PART_LIMIT
    assert sum(sizes) <= WHOLE_LIMIT
    for part in parts:
        kinds = {value.dtype for value in load_file(part).values() if value.is_floating_point()}
        assert kinds == {torch.float16}, part.parent.name


def test_it_is_what_its_preset_says(pipeline: FoleyPipeline) -> None:
    preset = lite()
    assert pipeline.foley_config == preset.foley
    assert tuple(pipeline.unet.config.block_out_channels) == preset.denoiser.block_out_channels
    assert pipeline.scheduler.config.prediction_type == preset.denoiser.prediction_type
    assert pipeline.latent_shape == (4, 16, 64)


def test_its_sounds_start_when_the_events_happen(pipeline: FoleyPipeline) -> None:
    """A short form of recipes/lite_figures.py, on clips of the valid split and with fewer steps."""
    report = measure_synchrony(pipeline, range(10), split="valid", num_inference_steps=8)
    assert report.true.f1 >= 0.4
    assert report.true.f1 >= report.deranged.f1 + 0.15


def test_the_card_carries_its_figures_and_their_protocol() -> None:
    card = Path(resolve_model("lite") / "README.md").read_text()
    assert "It knows the stage, not the world" in " ".join(card.split())
    assert "generated, own events" in card
    assert "Protocol: stage, split test, clips 0 to 199" in card
