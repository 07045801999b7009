from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from cinefoley.models.deep_cache import DeepCacheUNet
from cinefoley.pipelines.foley import FoleyPipeline

LATENTS = torch.randn(4, 4, 8, 20, generator=torch.Generator().manual_seed(0))
CONTEXT = torch.randn(4, 10, 16, generator=torch.Generator().manual_seed(1))
TIMES = [torch.tensor(time) for time in (900.0, 850.0, 800.0)]


@pytest.fixture(scope="module")
def unet(tiny_model: Path) -> UNet2DConditionModel:
    return FoleyPipeline.from_pretrained(tiny_model).unet


@torch.no_grad()
def test_every_call_is_whole_at_interval_1(unet: UNet2DConditionModel) -> None:
    cached = DeepCacheUNet(unet, 1)
    for time in TIMES:
        assert torch.equal(cached(LATENTS, time, CONTEXT), unet(LATENTS, time, CONTEXT).sample)


@torch.no_grad()
def test_the_outermost_level_with_fresh_deep_features_is_the_whole(unet: UNet2DConditionModel) -> None:
    cached = DeepCacheUNet(unet, 2)
    whole = cached(LATENTS, TIMES[0], CONTEXT)
    again = cached(LATENTS, TIMES[0], CONTEXT)
    torch.testing.assert_close(again, whole)


@torch.no_grad()
def test_calls_in_between_reuse_and_the_next_whole_call_does_not(unet: UNet2DConditionModel) -> None:
    cached = DeepCacheUNet(unet, 2)
    calls = []
    hook = unet.mid_block.register_forward_hook(lambda *_: calls.append(1))
    try:
        results = [cached(LATENTS, time, CONTEXT) for time in TIMES]
    finally:
        hook.remove()
    assert len(calls) == 2
    assert torch.equal(results[2], unet(LATENTS, TIMES[2], CONTEXT).sample)
    exact = unet(LATENTS, TIMES[1], CONTEXT).sample
    assert not torch.equal(results[1], exact)
    assert (results[1] - exact).norm() < 0.5 * exact.norm(), "close, since the times are"


@torch.no_grad()
def test_the_conditional_half_reuses_its_own_rows_and_more_rows_are_computed(
    unet: UNet2DConditionModel,
) -> None:
    cached = DeepCacheUNet(unet, 3)
    both = cached(LATENTS, TIMES[0], CONTEXT)
    half = cached(LATENTS[2:], TIMES[0], CONTEXT[2:])
    torch.testing.assert_close(half, both[2:])
    cached = DeepCacheUNet(unet, 3)
    cached(LATENTS[2:], TIMES[0], CONTEXT[2:])
    whole = cached(LATENTS, TIMES[1], CONTEXT)
    assert torch.equal(whole, unet(LATENTS, TIMES[1], CONTEXT).sample)


def test_an_interval_below_1_is_refused(unet: UNet2DConditionModel) -> None:
    with pytest.raises(ValueError, match="interval must be at least 1, got 0"):
        DeepCacheUNet(unet, 0)
