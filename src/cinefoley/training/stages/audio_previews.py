"""Audio previews of a model in training: one take for each of a few held-out clips."""

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
    """Generate one take for each clip, always from the same noise, so that previews can be compared.

    Args:
        pipeline: A pipeline of the networks that are trained.
        video_features: ``(B, T, D)``, unit norm per frame.
        names: One for each clip; parts of file names.
        events_s: Times of each clip's events, drawn as lines in the images of the mels; empty draws none.
        num_inference_steps: Number of denoising steps.
        guidance_scale: Scale of classifier-free guidance.
        seed: Seed of the noise.

    Returns:
        One sample for each clip.
    """
    generator = torch.Generator().manual_seed(seed)
    latents = pipeline.sample(
        video_features,
        generator=generator,
        quality="paper",
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
