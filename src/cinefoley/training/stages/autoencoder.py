"""Autoencoder stage: train the mel autoencoder, and set the scale of its latents."""

from typing import cast

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from cinefoley.data.cache.clip_windows import ClipWindows
from cinefoley.models.build import build_autoencoder
from cinefoley.training.run_settings import RunResult
from cinefoley.training.stages.stage_run import StageRun, seeded
from cinefoley.training.tasks.autoencoder import AutoencoderTask

__all__ = ["train_autoencoder"]

_WINDOWS_PER_CLIP = 4
_SCALE_WINDOWS = 1024  # enough for three digits of the latents' scale


def train_autoencoder(run: StageRun) -> RunResult:
    """Train ``vae/``."""
    foley, recipe = run.model.foley, run.settings.preset.autoencoder
    clips = run.prepare_clips(foley)
    run.begin(clips, {})
    windows = run.windows(clips, _WINDOWS_PER_CLIP)
    config = run.config(recipe.schedule, clips)
    with seeded(config.seed):
        autoencoder = run.initialised("vae", build_autoencoder(run.model.autoencoder))
    autoencoder = autoencoder.to(memory_format=torch.channels_last)
    task = AutoencoderTask(
        autoencoder,
        # the task reads rows and shapes, which is all of a tensor that it needs
        cast(Tensor, windows.mels),
        crop_frames=recipe.crop_frames,
        kl_weight=recipe.kl_weight,
        choices=recipe.choices,
        audible_weight=recipe.audible_weight,
        slope_weight=recipe.slope_weight,
        mel_config=foley.mel,
    )
    task.prefetches = clips.is_streamed
    held_out = run.prepare_held_out(foley)
    if held_out is not None:
        task.held_out = task.on(mels=cast(Tensor, held_out.windows(foley).mels))
    run.train(task, recipe.schedule, config, windows_per_clip=windows.per_clip)
    if recipe.has_unit_variance:
        autoencoder.register_to_config(scaling_factor=round(_unit_scale(autoencoder, windows), 5))
    return run.finish({"vae": autoencoder.save_pretrained}, config, clips)


@torch.no_grad()
def _unit_scale(autoencoder: AutoencoderKL, windows: ClipWindows) -> float:
    """The factor that gives the latents' means unit variance, over evenly spaced windows."""
    rows = torch.linspace(0, len(windows) - 1, min(len(windows), _SCALE_WINDOWS)).round().long()
    weight = next(autoencoder.parameters())
    count, total, squares = 0, 0.0, 0.0
    for batch in rows.split(16):
        mels = windows.mels[batch].to(weight.device, weight.dtype)[:, None]
        means = autoencoder.encode(mels.expand(-1, autoencoder.config.in_channels, -1, -1)).latent_dist.mean
        count += means.numel()
        total += float(means.double().sum())
        squares += float(means.double().square().sum())
    variance = squares / count - (total / count) ** 2
    return float(max(variance, 1e-12) ** -0.5)
