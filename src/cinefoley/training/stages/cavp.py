"""CAVP stage: train video and audio encoder by contrast, after a warm start where the clips allow one."""

from dataclasses import replace
from typing import cast

from cinefoley.data.cache.clip_windows import DecodedClips
from cinefoley.data.cache.feature_cache import network_digest
from cinefoley.data.cache.stage_cache import KIND_NAMES, StageClips
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.errors import MissingWeightsError
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.build import build_audio_encoder, build_video_encoder
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.engine.loop import fit
from cinefoley.training.run_settings import RunResult
from cinefoley.training.stages.stage_run import StageRun, seeded
from cinefoley.training.stages.starting_parts import StartingParts
from cinefoley.training.tasks.cavp import CavpTask, FrameSampler
from cinefoley.training.tasks.cavp_warm_start import WarmStartTask
from cinefoley.training.tasks.frame_targets import FrameTargetHeads

__all__ = ["train_cavp"]


def train_cavp(run: StageRun) -> RunResult:
    """Train ``video_encoder/`` and ``audio_encoder/``.

    Raises:
        MissingWeightsError: If the audio encoder is not trained, and no model has one to begin with.
    """
    model, recipe, settings = run.model, run.settings.preset.cavp, run.settings
    audio_config = model.audio_encoder
    assert audio_config is not None  # every training preset has one
    span = recipe.window_frames + (recipe.windows - 1) * recipe.gap_frames
    rate = recipe.mel.sample_rate / recipe.mel.hop_length / model.foley.feature_fps
    foley = replace(
        model.foley,
        mel=recipe.mel,
        video_frames=span * model.foley.frames_per_feature,
        mel_frames=round(span * rate),
    )
    if not settings.trains_audio and not StartingParts(settings.init, model.foley).has("audio_encoder"):
        raise MissingWeightsError(
            "An audio encoder that is not trained needs weights: name a model that has an audio_encoder/ "
            "with --init."
        )
    clips = run.prepare_clips(foley)
    config = run.config(recipe.schedule, clips)
    with seeded(config.seed):
        video_encoder = run.initialised("video_encoder", build_video_encoder(model.video_encoder))
        audio_encoder = run.initialised("audio_encoder", build_audio_encoder(audio_config))
    run.begin(clips, {} if settings.trains_audio else {"audio_encoder": network_digest(audio_encoder)})
    heads = _warm_start(run, clips, video_encoder, audio_encoder)
    task = CavpTask(
        video_encoder,
        audio_encoder,
        _as_stage_clips(clips),
        windows=recipe.windows,
        window_frames=recipe.window_frames,
        gap_frames=recipe.gap_frames,
        pooling=recipe.pooling,
        temporal_weight=recipe.temporal_weight,
        heads=heads if recipe.keeps_targets else None,
        sampler=_sampler(run, run.source, clips),
        sampler_name=None if settings.variation is None else settings.variation.name,
        trains_audio=settings.trains_audio,
    )
    task.prefetches = clips.is_streamed
    audio_encoder.to(settings.device)  # the engine moves only what is trained
    held_out = run.prepare_held_out(foley)
    if held_out is not None and (task.heads is None or held_out.label_names == clips.label_names):
        assert settings.held_out is not None
        task.held_out = task.on(
            clips=_as_stage_clips(held_out), sampler=_sampler(run, settings.held_out, held_out)
        )
    run.train(task, recipe.schedule, config)
    parts = {"video_encoder": video_encoder.save_pretrained, "audio_encoder": audio_encoder.save_pretrained}
    return run.finish(parts, config, clips)


def _warm_start(
    run: StageRun, clips: DecodedClips, video_encoder: VideoEncoder, audio_encoder: AudioEncoder
) -> FrameTargetHeads | None:
    """Train per-frame targets first, if the recipe has a warm start and the clips have what it teaches."""
    settings, recipe = run.settings, run.settings.preset.cavp
    if recipe.warm_start is None or settings.warm_start_steps == 0:
        return None
    if not bool(clips.has_events.all()) or tuple(clips.label_names) != KIND_NAMES:
        if settings.on_note is not None:
            settings.on_note(
                "no warm start: it needs the known events of the Foley stage; a small model learns little "
                "synchrony from contrast alone"
            )
        return None
    with seeded(recipe.warm_start.seed):
        task = WarmStartTask(
            video_encoder,
            _as_stage_clips(clips),
            audio_encoder=audio_encoder if settings.trains_audio else None,
            kinds_from=recipe.kinds_from,
        )
    overrides = {**settings.overrides, "steps": settings.warm_start_steps, "learning_rate": None}
    fit(
        task,
        recipe.warm_start.train_config(len(clips), **overrides),
        settings.run_dir / "warm_start",
        device=settings.device,
        on_log=settings.on_log,
        show_progress=settings.shows_progress,
    )
    return task.heads


def _sampler(run: StageRun, source: ClipSource, clips: DecodedClips) -> FrameSampler | None:
    """What draws varied frames of clips; None where they are shown whole."""
    variation = run.settings.variation
    return None if variation is None else variation.sampler(source, clips, run.settings)


def _as_stage_clips(clips: DecodedClips) -> StageClips:
    """Both tasks read rows and shapes, which is all of these clips that they need."""
    return cast(StageClips, clips)
