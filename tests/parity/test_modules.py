"""All four public checkpoints at full size: imported by the public command, compared part by part.

The checkpoints are stand-ins, filled with the reference's deterministic numbers: this proves the arithmetic,
not the released weights. ``make parity`` runs it; it needs about 8 GB of disk and 9 GB of memory.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.cli.main import main
from cinefoley.media.audio.files import read_audio
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.models.clip_pooling import pool_clip
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.foley import FoleyPipeline

pytestmark = pytest.mark.slow

Draw = Callable[..., torch.Tensor]

_TIMES = {"1": 1.0, "500": 500.0, "999": 999.0, "459p04": 459.04}


@pytest.fixture(scope="module")
def pipeline(model_folder: Path) -> FoleyPipeline:
    return FoleyPipeline.from_pretrained(model_folder)


@pytest.fixture(scope="module")
def expected(reference_fixture: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return reference_fixture("ldm_modules") | reference_fixture("classifiers")


def test_a_film_gets_a_sound_of_its_length(
    model_folder: Path, render_film: Callable[..., Path], tmp_path: Path
) -> None:
    """Stand-in weights make noise; that it is finite, and exactly as long as the picture, is what counts.

    It comes first, while the fixture that holds a second copy of the model is not there yet.
    """
    film = render_film(tmp_path / "film.mp4", duration_s=3.0)
    options = ["--model", str(model_folder), "--steps", "2", "--device", "cpu", "-o", str(tmp_path)]
    assert main(["generate", str(film), *options]) == 0
    waveform, sample_rate = read_audio(tmp_path / "film.take1.wav")
    assert sample_rate == 16000
    assert waveform.shape[-1] == 48000
    assert float(waveform.std()) > 0


@torch.no_grad()
def test_pooled_clips_of_both_towers(
    model_folder: Path,
    reference_input: Draw,
    reference_fixture: Callable[[str], dict[str, Any]],
    assert_close: Any,
) -> None:
    cavp = reference_fixture("cavp")
    video_encoder = load_part(model_folder / "video_encoder", VideoEncoder)
    audio_encoder = load_part(model_folder / "audio_encoder", AudioEncoder)
    video = reference_input("cavp_video_T16", (1, 16, 3, 224, 224), "uniform")
    mel = reference_input("cavp_spec_256", (1, 128, 256), "uniform")
    film, sound = pool_clip(video_encoder(video, normalize=False)), pool_clip(audio_encoder(mel))
    assert_close(film, cavp["forward_video"], 1e-5)
    assert_close(sound, cavp["forward_spec"], 1e-5)


@torch.no_grad()
def test_moments_of_the_autoencoder(
    pipeline: FoleyPipeline, reference_input: Draw, expected: dict[str, Any], assert_close: Any
) -> None:
    mel = reference_input("spec", (1, 1, 128, 512), "uniform").expand(-1, 3, -1, -1)
    assert_close(pipeline.vae.encode(mel).latent_dist.parameters, expected["vae_moments"], 1e-4)


def test_decoded_mel(
    pipeline: FoleyPipeline, reference_input: Draw, expected: dict[str, Any], assert_close: Any
) -> None:
    mel = pipeline.decode(reference_input("z", (1, 4, 16, 64)))
    assert_close(mel, expected["vae_decode_first_stage"][:, 0], 1e-4)


@pytest.mark.parametrize("name", _TIMES)
@torch.no_grad()
def test_predicted_noise_at_whole_and_fractional_times(
    name: str,
    pipeline: FoleyPipeline,
    features: torch.Tensor,
    noise: torch.Tensor,
    expected: dict[str, Any],
    assert_close: Any,
) -> None:
    context = pipeline.embed(features)
    pair = torch.cat([torch.zeros_like(context), context])
    time = torch.tensor(_TIMES[name])
    unconditional, conditional = pipeline.unet(noise.expand(2, -1, -1, -1), time, pair).sample.split(1)
    assert_close(conditional, expected[f"eps_t{name}_cond"], 1e-4)
    assert_close(unconditional, expected[f"eps_t{name}_uncond"], 1e-4)


@pytest.mark.parametrize(("steps", "tolerance"), [(5, 1e-3), (25, 5e-3)])
def test_sampled_latents(
    steps: int,
    tolerance: float,
    pipeline: FoleyPipeline,
    features: torch.Tensor,
    noise: torch.Tensor,
    reference_fixture: Callable[[str], dict[str, Any]],
    assert_close: Any,
) -> None:
    latents = pipeline.sample(features, latents=noise, num_inference_steps=steps, guidance_scale=4.5)
    assert_close(latents, reference_fixture("samplers")[f"DPM_Solver_{steps}_final"], tolerance)


@pytest.mark.parametrize("context", ["raw", "emb"])
@pytest.mark.parametrize("name", ["0", "500", "999"])
def test_guidance_classifier_and_its_gradient(
    name: str,
    context: str,
    model_folder: Path,
    features: torch.Tensor,
    noise: torch.Tensor,
    expected: dict[str, Any],
    assert_close: Any,
) -> None:
    classifier = load_part(model_folder / "guidance_classifier", AlignmentClassifier)
    latents = noise.clone().requires_grad_()
    probability = classifier(latents, torch.tensor(float(name)), features, is_embedded=context == "raw")
    assert_close(probability[:, None], expected[f"dg_t{name}_{context}_prob"], 1e-5)
    [gradient] = torch.autograd.grad(probability.log().sum(), latents)
    assert_close(gradient, expected[f"dg_t{name}_{context}_gradlogp"], 1e-3)


@torch.no_grad()
def test_guidance_classifier_at_a_fractional_time(
    model_folder: Path,
    features: torch.Tensor,
    noise: torch.Tensor,
    expected: dict[str, Any],
    assert_close: Any,
) -> None:
    classifier = load_part(model_folder / "guidance_classifier", AlignmentClassifier)
    probability = classifier(noise, torch.tensor(459.04), features, is_embedded=True)
    assert_close(probability[:, None], expected["dg_t459p04_raw_prob"], 1e-5)


@torch.no_grad()
def test_alignment_classifier(
    model_folder: Path,
    features: torch.Tensor,
    noise: torch.Tensor,
    expected: dict[str, Any],
    reference_input: Draw,
    assert_close: Any,
) -> None:
    classifier = load_part(model_folder / "alignment", AlignmentClassifier)
    clean = torch.tensor(0.0)
    assert_close(classifier.conditioner(features), expected["ev_cond_model_32"], 1e-6)
    assert_close(classifier(noise, clean, features)[:, None], expected["ev_prob_on_xT"], 1e-5)
    on_mode = classifier(torch.from_numpy(expected["ev_z_mode_scaled"]), clean, features)
    assert_close(on_mode[:, None], expected["ev_prob_on_mode"], 1e-5)
    batch_features = reference_input("video_feat_batch8", (8, 32, 512), has_unit_norm=True)
    batch = classifier(reference_input("x_batch8", (8, 4, 16, 64)), clean, batch_features)
    assert_close(batch[:, None], expected["ev_prob_batch8"], 1e-5)
