from pathlib import Path

import pytest
import torch
from torch import Tensor

from cinefoley.pipelines.denoiser import GuidedDenoiser, predict_with
from cinefoley.pipelines.foley import FoleyPipeline

TIME = torch.tensor(500.5)


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
    denoise = GuidedDenoiser(network, context, null_context=null, guidance_scale=3.0)
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
