"""Takes of a model in training, to hear."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.training.engine.task import Sample

__all__ = ["preview_takes"]


def preview_takes(
    pipeline: FoleyPipeline,
    video_features: Tensor,
    *,
    names: Sequence[str],
    events_s: Sequence[Sequence[float]] = (),
    num_inference_steps: int = 25,
    guidance_scale: float = 4.5,
    seed: int = 0,
) -> list[Sample]:
    """Make one take for each of a few clips, always from the same noise, so that previews can be compared.

    Args:
        pipeline: Built of the very networks that are trained.
        video_features: ``(B, T, D)``, unit norm per frame.
        names: One for each clip; parts of file names.
        events_s: Times of each clip's events, to be marked in the pictures; empty marks none.
        num_inference_steps: Of the sampler.
        guidance_scale: Of classifier-free guidance.
        seed: Of the noise.

    Returns:
        One sample for each clip.
    """
    generator = torch.Generator().manual_seed(seed)
    latents = pipeline.sample(
        video_features,
        generator=generator,
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
    )
    mels = pipeline.decode(latents)
    config = pipeline.foley_config.mel
    marks = events_s or [()] * len(names)
    return [
        Sample(name=name, mel=mel, config=config, events_s=times)
        for name, mel, times in zip(names, mels, marks, strict=True)
    ]
