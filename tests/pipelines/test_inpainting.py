from pathlib import Path

import pytest
import torch
from torch import Tensor

from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.inpainting import FADE_S, Stretch, keep_known, longest_stretch_s, redo_stretch
from cinefoley.pipelines.sampling import denoise_latents, draw_noise
from cinefoley.pipelines.schedulers import make_scheduler


@pytest.fixture(scope="module")
def pipeline(tiny_model: Path) -> FoleyPipeline:
    return FoleyPipeline.from_pretrained(tiny_model)


@pytest.mark.parametrize("sampler", ["dpm++", "unipc", "ddim"])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_known_columns_end_where_they_should(
    pipeline: FoleyPipeline, sampler: str, prediction_type: str
) -> None:
    config = pipeline.scheduler.config | {"prediction_type": prediction_type}
    scheduler = make_scheduler(config, sampler, 10)  # type: ignore[arg-type]
    known, noise = torch.randn(1, 4, 2, 8), torch.randn(1, 4, 2, 8)
    is_known = torch.arange(8) < 5

    def wrong(latents: Tensor, _: Tensor) -> Tensor:
        return torch.ones_like(latents)

    denoise = keep_known(wrong, known, is_known, scheduler, prediction_type=prediction_type)
    latents = denoise_latents(noise, denoise, scheduler, prediction_type=prediction_type)

    assert (latents - known)[..., :5].abs().max() < 0.1  # the last step ends at the first noise level
    assert (latents - known)[..., 5:].abs().max() > 0.3


@pytest.mark.parametrize(("start", "end"), [(0.7, 1.6), (0.0, 0.5), (4.0, 5.0)])
def test_a_stretch_is_new_and_the_rest_is_kept_to_the_sample(
    pipeline: FoleyPipeline, start: float, end: float
) -> None:
    video = torch.rand(1, 20, 3, 32, 32, generator=torch.Generator().manual_seed(0))  # two windows
    take = 0.1 * torch.randn(5 * 16000, generator=torch.Generator().manual_seed(1))
    shape = (1, *pipeline.latent_shape)

    def redo(window: int) -> Tensor:
        noise = draw_noise(shape, seed=0, take=0, window=window)
        return redo_stretch(pipeline, video, take, Stretch(start, end), noise=noise, num_inference_steps=2)

    first, second = redo(1000), redo(1001)

    low, high = round(start * 16000), round(end * 16000)
    assert torch.equal(first[:low], take[:low])
    assert torch.equal(first[high:], take[high:])
    fade = round(FADE_S * 16000)
    assert not torch.allclose(first[low + fade : high - fade], take[low + fade : high - fade], atol=1e-3)
    assert not torch.allclose(first, second, atol=1e-3)
    assert torch.equal(redo(1000), first)


def test_nothing_beyond_the_shot_is_seen_or_heard(pipeline: FoleyPipeline) -> None:
    generator = torch.Generator().manual_seed(2)
    video = torch.rand(1, 20, 3, 32, 32, generator=generator)
    take = 0.1 * torch.randn(5 * 16000, generator=generator)
    noise = draw_noise((1, *pipeline.latent_shape), seed=0, take=0, window=1000)
    shot, stretch = Stretch(1.0, 2.5), Stretch(1.5, 2.5)
    outside_video, outside_take = video.clone(), take.clone()
    for part in (slice(0, 4), slice(10, 20)):  # four frames a second
        outside_video[:, part] = 0.5
    outside_take[:16000] = 0
    outside_take[40000:] = 0

    def redo(frames: Tensor, sound: Tensor, shot: Stretch | None) -> Tensor:
        redone = redo_stretch(pipeline, frames, sound, stretch, noise=noise, shot=shot, num_inference_steps=2)
        return redone[24000:40000]

    assert torch.equal(redo(video, take, shot), redo(outside_video, outside_take, shot))
    assert not torch.equal(redo(video, take, None), redo(outside_video, outside_take, None))
    with pytest.raises(ValueError, match="not inside one shot"):
        redo(video, take, Stretch(1.0, 2.0))


def test_what_is_no_stretch_is_refused(pipeline: FoleyPipeline) -> None:
    video, take = torch.rand(1, 20, 3, 32, 32), torch.zeros(5 * 16000)
    noise = torch.randn(1, *pipeline.latent_shape)
    assert longest_stretch_s(pipeline) == pytest.approx(1.5)
    for start, end, message in (
        (2.0, 2.0, "is empty"),
        (6.0, 7.0, "outside the take"),
        (1.0, 3.0, "too long"),
    ):
        with pytest.raises(ValueError, match=message):
            redo_stretch(pipeline, video, take, Stretch(start, end), noise=noise)
