from pathlib import Path

import pytest
import torch
from torch import Tensor

from cinefoley.config.model import DenoiserConfig
from cinefoley.models.build import build_scheduler
from cinefoley.pipelines.denoiser import GuidedDenoiser, predict_with
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.guidance import Combine, combine_halves
from cinefoley.pipelines.settings import SamplingSettings

CONFIG = DenoiserConfig()
TIME = torch.tensor(500.5)


def plain(scale: float) -> Combine:
    return combine_halves(SamplingSettings(guidance_scale=scale), build_scheduler(CONFIG), "epsilon")


class Recorder:
    """A network that answers with the mean of each context, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []

    def __call__(self, latents: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        self.calls.append((latents, timestep, context))
        return context.mean(dim=(1, 2))[:, None, None, None].expand_as(latents)


def test_both_halves_of_guidance_are_one_call() -> None:
    network = Recorder()
    context, null = torch.full((2, 3, 4), 1.0), torch.full((2, 3, 4), 0.5)
    latents = torch.randn(2, 4, 2, 2)
    denoise = GuidedDenoiser(network, context, null_context=null, combine=plain(3.0))
    assert torch.equal(denoise(latents, TIME), torch.full_like(latents, 0.5 + 3.0 * (1.0 - 0.5)))
    denoise(latents, TIME)
    [(seen, time, both), (_, _, again)] = network.calls
    assert torch.equal(seen, torch.cat([latents, latents]))
    assert torch.equal(both, torch.cat([null, context]))
    assert time is TIME
    assert again is both, "a cache of what depends on the context alone can hold on to it"


def test_without_guidance_the_unconditional_half_is_left_out() -> None:
    network = Recorder()
    latents = torch.randn(2, 4, 2, 2)
    assert torch.equal(GuidedDenoiser(network, torch.ones(2, 3, 4))(latents, TIME), torch.ones_like(latents))
    assert len(network.calls[0][0]) == 2


def test_outside_the_interval_the_unconditional_half_is_not_computed() -> None:
    network = Recorder()
    latents = torch.randn(2, 4, 2, 2)
    denoise = GuidedDenoiser(
        network,
        torch.ones(2, 3, 4),
        null_context=torch.zeros(2, 3, 4),
        combine=plain(3.0),
        is_guided=lambda time: float(time) < 500,
    )
    assert torch.equal(denoise(latents, torch.tensor(600.0)), torch.ones_like(latents))
    assert torch.equal(denoise(latents, torch.tensor(400.0)), torch.full_like(latents, 3.0))
    assert [len(seen) for seen, _, _ in network.calls] == [2, 4]


def test_guidance_needs_both_a_null_context_and_a_formula() -> None:
    with pytest.raises(ValueError, match="both a null_context and a formula"):
        GuidedDenoiser(Recorder(), torch.ones(1, 3, 4), null_context=torch.zeros(1, 3, 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_the_network_is_called_in_its_own_type_and_answers_in_float32(
    tiny_model: Path, dtype: torch.dtype
) -> None:
    unet = FoleyPipeline.from_pretrained(tiny_model, torch_dtype=dtype).unet
    latents, context = torch.randn(2, 4, 16, 40), torch.randn(2, 10, 16, dtype=dtype)
    prediction = predict_with(unet)(latents, TIME, context)
    assert prediction.dtype == torch.float32
    expected = unet(
        latents.to(dtype), TIME, context
    ).sample.float()  # in another layout, so rounded otherwise
    assert (prediction - expected).norm() < 0.02 * expected.norm()
