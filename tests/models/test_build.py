import torch

from cinefoley.config.model import AutoencoderConfig, DenoiserConfig
from cinefoley.config.presets import diff_foley, lite
from cinefoley.models.build import (
    build_autoencoder,
    build_conditioner,
    build_denoiser,
    build_scheduler,
    build_video_encoder,
)

LIMIT = 16 * 2**20  # bytes of one part in fp16, as shipped


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_diff_foley_has_the_published_sizes() -> None:
    model = diff_foley()
    with torch.device("meta"):
        assert count(build_denoiser(model.denoiser)) == 859_520_964
        assert count(build_autoencoder(model.autoencoder)) == 83_653_863
        assert count(build_conditioner(model)) == 424_704


def test_every_part_of_lite_fits_into_its_file() -> None:
    model = lite()
    with torch.device("meta"):
        parts = [
            build_video_encoder(model.video_encoder),
            build_conditioner(model),
            build_denoiser(model.denoiser),
            build_autoencoder(model.autoencoder),
        ]
    sizes = [2 * count(part) for part in parts]
    assert max(sizes) < LIMIT
    assert sum(sizes) < 2.5 * LIMIT


def test_denoiser_and_autoencoder_agree_on_latents() -> None:
    denoiser = build_denoiser(
        DenoiserConfig(block_out_channels=(16, 32), has_attention=(False, True), layers_per_block=1,
                       num_heads=2, context_dim=24, norm_num_groups=8)
    )  # fmt: skip
    autoencoder = build_autoencoder(
        AutoencoderConfig(channels=1, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
                          has_middle_attention=False)
    )  # fmt: skip
    latents = autoencoder.encode(torch.rand(2, 1, 16, 32)).latent_dist.mean
    assert latents.shape == (2, 4, 8, 16)
    assert denoiser(latents, torch.tensor(459.04), torch.rand(2, 6, 24)).sample.shape == latents.shape
    assert autoencoder.decode(latents).sample.shape == (2, 1, 16, 32)


def test_the_schedule_is_diff_foleys() -> None:
    schedule = build_scheduler(diff_foley().denoiser)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    assert torch.allclose(schedule.alphas_cumprod.double(), (1 - betas).cumprod(0), rtol=1e-5)
    assert schedule.config.prediction_type == "epsilon"
    assert build_scheduler(lite().denoiser).config.prediction_type == "v_prediction"
