"""Alignment stage: train the alignment classifier, which scores whether sound and video match."""

from functools import partial

import torch

from cinefoley.errors import DataError
from cinefoley.models.build import build_scheduler
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.training.run_settings import RunResult
from cinefoley.training.stages.stage_run import StageRun, seeded
from cinefoley.training.tasks.alignment import AlignmentTask
from cinefoley.training.tasks.alignment_windows import prepare_pairs

__all__ = ["train_alignment"]


def train_alignment(run: StageRun) -> RunResult:
    """Train ``alignment/`` on clean latents, or ``guidance_classifier/`` on noisy ones in the stage guidance.

    Raises:
        DataError: If there is only one clip, which leaves no other clip's sound.
    """
    model, recipe, is_for_guidance = run.model, run.settings.preset.alignment, run.stage == "guidance"
    encoder, autoencoder, parts = run.load_encoders()
    clips = run.prepare_clips(model.foley)
    if len(clips) < 2:
        raise DataError(
            f"{run.source.name}: this stage pairs videos with sounds of other clips and needs two clips."
        )
    run.begin(clips, parts)
    config = run.config(recipe.schedule, clips)
    pairs = partial(
        prepare_pairs,
        config=model.foley,
        video_encoder=encoder,
        autoencoder=autoencoder,
        cache_dir=run.settings.cache_dir,
        seed=config.seed,
    )
    name = "guidance_classifier" if is_for_guidance else "alignment"
    with seeded(config.seed):
        classifier = AlignmentClassifier(
            latent_channels=model.autoencoder.latent_channels,
            block_out_channels=recipe.block_out_channels,
            feature_dim=model.video_encoder.feature_dim,
            max_frames=model.max_frames,
            num_heads=recipe.num_heads,
            norm_num_groups=recipe.norm_num_groups,
            adds_frames=recipe.adds_frames,
        )
        classifier = run.initialised(name, classifier)
    task = AlignmentTask(
        classifier.to(memory_format=torch.channels_last),
        pairs(clips, on_row=run.settings.progress_of("pairs")),
        scheduler=build_scheduler(model.denoiser) if is_for_guidance else None,
        feature_noise=recipe.feature_noise,
        splices=recipe.splices,
    )
    held_out = run.prepare_held_out(model.foley)
    if held_out is not None and len(held_out) > 1:
        task.held_out = task.on(pairs=pairs(held_out))
    run.train(task, recipe.schedule, config)
    return run.finish({name: classifier.save_pretrained}, config, clips)
