"""Latent diffusion stage: train denoiser and conditioner from a video encoder and an autoencoder."""

import re
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from cinefoley.data.cache.clip_windows import ClipWindows
from cinefoley.models.build import build_conditioner, build_denoiser, build_scheduler
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.training.engine.task import Sample
from cinefoley.training.run_settings import RunResult
from cinefoley.training.stages.audio_previews import preview_takes
from cinefoley.training.stages.stage_run import StageRun, seeded
from cinefoley.training.tasks.ldm import LatentDiffusionTask

__all__ = ["train_ldm"]

_PREVIEWS = 2


def train_ldm(run: StageRun) -> RunResult:
    """Train ``unet/``, ``conditioner/`` and ``scheduler/``."""
    model, recipe = run.model, run.settings.preset.ldm
    encoder, autoencoder, parts = run.load_encoders()
    clips = run.prepare_clips(model.foley)
    run.begin(clips, parts)
    windows = run.windows(clips, recipe.windows_per_clip)
    encoded = run.encode(windows, encoder, autoencoder)
    config = run.config(recipe.schedule, clips)
    scheduler = build_scheduler(model.denoiser)
    with seeded(config.seed):
        denoiser = run.initialised("unet", build_denoiser(model.denoiser))
        conditioner = build_conditioner(model)
        if recipe.conditioner_std is not None:
            nn.init.normal_(conditioner.projection.weight, std=recipe.conditioner_std)
        conditioner = run.initialised("conditioner", conditioner)
    denoiser = denoiser.to(memory_format=torch.channels_last)
    task = LatentDiffusionTask(
        denoiser,
        conditioner,
        scheduler,
        means=encoded["means"],
        stds=encoded["stds"],
        video_features=encoded["video_features"],
        null_condition=model.foley.null_condition,
        dropout=recipe.dropout,
        concatenation=recipe.concatenation,
        guidance_weight=recipe.guidance_weight,
        guidance_start=recipe.guidance_start,
    )
    held_out = run.prepare_held_out(model.foley)
    if held_out is not None:
        held_out_windows = held_out.windows(model.foley)
        task.held_out = task.on(**run.encode(held_out_windows, encoder, autoencoder))
        pipeline = FoleyPipeline(
            video_encoder=encoder,
            conditioner=conditioner,
            unet=denoiser,
            vae=autoencoder,
            scheduler=scheduler,
            foley_config=model.foley,
        )
        task.preview = _preview(pipeline, held_out_windows, task.held_out.video_features)
    run.train(task, recipe.schedule, config, windows_per_clip=windows.per_clip)
    written = {"unet": denoiser, "conditioner": conditioner, "scheduler": scheduler}
    return run.finish({name: part.save_pretrained for name, part in written.items()}, config, clips)


def _preview(
    pipeline: FoleyPipeline, windows: ClipWindows, features: Tensor
) -> Callable[[], Sequence[Sample]]:
    """Makes takes of the first held-out clips, with their known events marked."""
    rows = range(min(_PREVIEWS, len(windows)))
    return partial(
        preview_takes,
        pipeline,
        features[: len(rows)],
        names=[re.sub(r"[^A-Za-z0-9._-]", "_", windows.clips.ids[row]) for row in rows],
        events_s=[windows.events_s[row][~windows.events_s[row].isnan()].tolist() for row in rows],
    )
