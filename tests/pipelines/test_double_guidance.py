import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cinefoley.config.presets import diff_foley
from cinefoley.errors import CheckpointMismatchError, MissingWeightsError
from cinefoley.models.build import build_scheduler
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.pipelines.denoiser import Denoise, GuidedDenoiser, predict_with
from cinefoley.pipelines.double_guidance import DoubleGuidance
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.guidance import combine_halves
from cinefoley.pipelines.sampling import denoise_latents
from cinefoley.pipelines.schedulers import make_scheduler, noise_level
from cinefoley.pipelines.settings import Sampler, SamplingOptions, SamplingSettings
from cinefoley.spectral.magnitude import Compat


@pytest.fixture
def pipeline(guided_tiny_model: Path) -> FoleyPipeline:
    return FoleyPipeline.from_pretrained(guided_tiny_model)


@pytest.fixture
def features() -> Tensor:
    draw = torch.randn(2, 10, 16, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(draw, dim=-1)


@pytest.fixture
def noise(pipeline: FoleyPipeline) -> Tensor:
    return torch.randn(2, *pipeline.latent_shape, generator=torch.Generator().manual_seed(1))


PRECISION = 4.0  # of a remark about the latents: they are TARGET, give or take 1 / sqrt(PRECISION)
TARGET = 0.8


class Remark(AlignmentClassifier):
    """The exact probability, up to a factor, that noisy latents of standard normal ones fit the remark."""

    def __init__(self, prediction_type: str) -> None:
        super().__init__(block_out_channels=(8, 16), feature_dim=16, num_heads=2, norm_num_groups=4)
        config = dict(build_scheduler(diff_foley().denoiser).config) | {"prediction_type": prediction_type}
        self.levels = make_scheduler(config, "dpm++", 1)

    def forward(self, latents: Tensor, timesteps: Tensor, video_features: Tensor, **options: bool) -> Tensor:
        signal, sigma = noise_level(self.levels, timesteps)
        distance = (TARGET - signal * latents).square().sum(dim=(1, 2, 3))
        return torch.exp(-distance / (2 * (sigma**2 + 1 / PRECISION)))


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sampler", ["dpm++", "ddim"])
def test_guidance_by_an_exact_classifier_samples_the_exact_posterior(
    sampler: Sampler, prediction_type: str
) -> None:
    """Bayes: latents of N(0, 1), seen through a remark, are N(m, s^2); noise is carried there linearly."""
    remark = Remark(prediction_type)
    scheduler = make_scheduler(remark.levels.config, sampler, 250)

    def denoise(latents: Tensor, timestep: Tensor) -> Tensor:
        _, sigma = noise_level(scheduler, timestep)
        return sigma * latents if prediction_type == "epsilon" else torch.zeros_like(latents)

    guided = DoubleGuidance(denoise, remark, torch.zeros(2, 4, 16), scheduler, scale=1.0)
    noise = torch.randn(2, 4, 2, 2, generator=torch.Generator().manual_seed(2))
    found = denoise_latents(noise, guided, scheduler, prediction_type=prediction_type)

    mean, variance = TARGET * PRECISION / (1 + PRECISION), 1 / (1 + PRECISION)

    def moments(timestep: Tensor) -> tuple[float, float]:
        signal, sigma = noise_level(scheduler, timestep)
        return signal * mean, (signal**2 * variance + sigma**2) ** 0.5

    (first_mean, first_std), (last_mean, last_std) = moments(scheduler.timesteps[0]), moments(torch.tensor(0))
    expected = last_mean + (noise - first_mean) * last_std / first_std
    assert torch.allclose(found, expected, atol=0.02)
    assert not torch.allclose(noise, expected, atol=0.3), "without the remark, this noise would stay as it is"


def test_the_gradient_is_the_slope_of_the_log_probability(
    pipeline: FoleyPipeline, features: Tensor, noise: Tensor
) -> None:
    classifier = pipeline.load_guidance_classifier()
    scheduler = make_scheduler(pipeline.scheduler.config, "dpm++", 5)
    guided = DoubleGuidance(lambda x, t: x, classifier, features, scheduler, scale=1.0)
    time = torch.tensor(459.04)
    gradient = guided.log_probability_gradient(noise, time)
    assert gradient.dtype == torch.float32
    direction = torch.randn(noise.shape, generator=torch.Generator().manual_seed(3)).double()
    precise = classifier.double()

    def log_probability(step: float) -> Tensor:
        latents = noise.double() + step * direction
        return precise(latents, time, features.double()).log()

    slope = (log_probability(1e-4) - log_probability(-1e-4)) / 2e-4
    assert torch.allclose((gradient * direction).sum(dim=(1, 2, 3)), slope, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("sampler", ["dpm++", "ddim"])
@pytest.mark.parametrize("guidance_scale", [1.0, 4.5])
def test_the_classifier_finds_guided_latents_more_probable(
    pipeline: FoleyPipeline, features: Tensor, noise: Tensor, sampler: Sampler, guidance_scale: float
) -> None:
    classifier = pipeline.load_guidance_classifier()

    def probability(scale: float) -> Tensor:
        latents = pipeline.sample(
            features,
            latents=noise,
            num_inference_steps=5,
            guidance_scale=guidance_scale,
            sampler=sampler,
            double_guidance_scale=scale,
        )
        with torch.no_grad():
            return classifier(latents, torch.tensor(0.0), features)

    assert (probability(50.0) > probability(0.0)).all()


def test_a_probability_of_nothing_leaves_the_prediction_alone(pipeline: FoleyPipeline) -> None:
    remark = Remark("epsilon")
    scheduler = make_scheduler(pipeline.scheduler.config, "dpm++", 5)
    guided = DoubleGuidance(lambda x, t: x, remark, torch.zeros(1, 4, 16), scheduler, scale=50.0)
    far = torch.full((1, 4, 2, 2), 1e4)
    assert torch.equal(guided(far, torch.tensor(10.0)), far)


def test_scale_0_is_no_double_guidance_and_loads_nothing(
    pipeline: FoleyPipeline, features: Tensor, noise: Tensor
) -> None:
    plain = pipeline.sample(features, latents=noise, num_inference_steps=2)
    zero = pipeline.sample(features, latents=noise, num_inference_steps=2, double_guidance_scale=0)
    assert torch.equal(plain, zero)
    was_loaded = pipeline.guidance_classifier is not None
    guided = pipeline.sample(features, latents=noise, num_inference_steps=2, double_guidance_scale=50)
    assert not torch.allclose(plain, guided, atol=1e-4)
    assert (was_loaded, pipeline.guidance_classifier is not None) == (False, True)


def test_takes_do_not_steer_each_other(pipeline: FoleyPipeline, features: Tensor, noise: Tensor) -> None:
    both = pipeline.sample(features, latents=noise, num_inference_steps=2, double_guidance_scale=50)
    alone = pipeline.sample(features[1:], latents=noise[1:], num_inference_steps=2, double_guidance_scale=50)
    assert torch.allclose(both[1:], alone, atol=1e-4)


def test_features_are_embedded_and_raw_only_for_comparisons(
    pipeline: FoleyPipeline, features: Tensor, noise: Tensor
) -> None:
    classifier = pipeline.load_guidance_classifier()
    scheduler = make_scheduler(pipeline.scheduler.config, "dpm++", 5)
    time = scheduler.timesteps[0]
    ways: tuple[tuple[Compat | None, bool], ...] = ((None, False), ("diff-foley", True))
    for compat, is_embedded in ways:
        guided = DoubleGuidance(lambda x, t: x, classifier, features, scheduler, scale=1.0, compat=compat)
        latents = noise.clone().requires_grad_()
        classifier(latents, time, features, is_embedded=is_embedded).log().sum().backward()
        assert latents.grad is not None
        assert torch.allclose(guided.log_probability_gradient(noise, time), latents.grad, atol=1e-6)


def test_the_classifier_sees_the_window_alone(
    pipeline: FoleyPipeline, features: Tensor, noise: Tensor
) -> None:
    changed = features.clone()
    changed[:, 6:] = features[:, :4]

    def what_the_classifier_adds(seen: Tensor) -> Tensor:
        plain = pipeline.sample(seen, latents=noise, num_inference_steps=1)
        return pipeline.sample(seen, latents=noise, num_inference_steps=1, double_guidance_scale=500) - plain

    assert not torch.allclose(
        what_the_classifier_adds(features), what_the_classifier_adds(changed), atol=1e-2
    )
    pipeline.foley_config = replace(pipeline.foley_config, video_frames=6)
    assert torch.allclose(what_the_classifier_adds(features), what_the_classifier_adds(changed), atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_classifier_computes_in_float32_whatever_the_generator_does(
    guided_tiny_model: Path, features: Tensor, noise: Tensor, dtype: torch.dtype
) -> None:
    half = FoleyPipeline.from_pretrained(guided_tiny_model, torch_dtype=dtype)
    latents = half.sample(features, latents=noise, num_inference_steps=2, double_guidance_scale=50)
    assert half.unet.dtype == dtype
    assert half.guidance_classifier.dtype == torch.float32
    assert latents.isfinite().all()


def test_inference_mode_and_no_grad_do_not_hide_the_gradient(
    guided_tiny_model: Path, features: Tensor, noise: Tensor
) -> None:
    def sample() -> Tensor:
        pipeline = FoleyPipeline.from_pretrained(guided_tiny_model)
        return pipeline.sample(features * 1, latents=noise, num_inference_steps=2, double_guidance_scale=50)

    expected = sample()
    with torch.inference_mode():
        assert torch.equal(sample(), expected)


@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_saved_model_keeps_its_classifiers(
    guided_tiny_model: Path, features: Tensor, noise: Tensor, tmp_path: Path, is_loaded: bool
) -> None:
    shutil.copytree(guided_tiny_model, tmp_path / "model")
    shutil.copytree(guided_tiny_model / "guidance_classifier", tmp_path / "model" / "alignment")
    pipeline = FoleyPipeline.from_pretrained(tmp_path / "model")
    if is_loaded:
        pipeline.load_guidance_classifier()
    pipeline.save_pretrained(tmp_path / "copy")
    copy = FoleyPipeline.from_pretrained(tmp_path / "copy")
    options: SamplingOptions = {"num_inference_steps": 2, "double_guidance_scale": 50}
    expected = pipeline.sample(features, latents=noise, **options)
    assert torch.equal(copy.sample(features, latents=noise, **options), expected)
    index = json.loads((tmp_path / "copy" / "model_index.json").read_text())
    assert index["guidance_classifier"] == ["cinefoley.models.classifier", "AlignmentClassifier"]
    assert (tmp_path / "copy" / "alignment" / "config.json").is_file()


class NoFloat64(TorchDispatchMode):
    """Fails where an operator leaves float64 on the meta device, as it would on MPS."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.is_meta:
                assert tensor.dtype != torch.float64, func
        return result


@pytest.mark.parametrize("sampler", ["dpm++", "ddim", "plms"])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_all_stays_on_the_latents_device_and_nothing_there_is_float64(
    pipeline: FoleyPipeline, sampler: Sampler, prediction_type: str
) -> None:
    """MPS has no float64; the device without numbers stands in for it."""
    config = dict(pipeline.scheduler.config) | {"prediction_type": prediction_type}
    scheduler = make_scheduler(config, sampler, 5)
    latents = torch.empty(2, *pipeline.latent_shape, device="meta")
    denoise: Denoise = GuidedDenoiser(
        predict_with(pipeline.unet.to("meta")),
        torch.empty(2, 10, 16, device="meta"),
        null_context=torch.empty(2, 10, 16, device="meta"),
        combine=combine_halves(SamplingSettings(), scheduler, prediction_type),
    )
    with NoFloat64(), torch.no_grad():  # type: ignore[no-untyped-call]
        if sampler != "plms":
            classifier = pipeline.load_guidance_classifier().to("meta")
            features = torch.empty(2, 10, 16, device="meta")
            denoise = DoubleGuidance(denoise, classifier, features, scheduler, scale=50.0)
        found = denoise_latents(latents, denoise, scheduler, prediction_type=prediction_type)
    assert (found.device.type, found.dtype, found.shape) == ("meta", torch.float32, latents.shape)


def test_a_model_without_a_classifier_says_what_to_do(
    tiny_model: Path, features: Tensor, noise: Tensor
) -> None:
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    with pytest.raises(MissingWeightsError, match=r"no guidance_classifier/.*cinefoley models import"):
        pipeline.sample(features, latents=noise, double_guidance_scale=50)
    in_memory = FoleyPipeline(**pipeline.components, foley_config=pipeline.foley_config)
    with pytest.raises(MissingWeightsError, match="created without a guidance_classifier"):
        in_memory.sample(features, latents=noise, double_guidance_scale=50)


def test_a_classifier_of_another_model_is_refused(guided_tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(guided_tiny_model, folder)
    foreign = AlignmentClassifier(block_out_channels=(8, 16), feature_dim=8, num_heads=2, norm_num_groups=4)
    foreign.save_pretrained(folder / "guidance_classifier")
    with pytest.raises(CheckpointMismatchError, match="features of width 8; this model has 4 and 16"):
        FoleyPipeline.from_pretrained(folder).load_guidance_classifier()


def test_a_schedule_that_steps_by_something_else_is_refused(features: Tensor) -> None:
    config = dict(build_scheduler(diff_foley().denoiser).config) | {"prediction_type": "sample"}
    scheduler = make_scheduler(config, "ddim", 5)
    with pytest.raises(ValueError, match="steers noise or velocity, not 'sample'"):
        DoubleGuidance(lambda x, t: x, Remark("epsilon"), features, scheduler, scale=1.0)
