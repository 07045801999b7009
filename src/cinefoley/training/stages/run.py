"""Every stage of a model's training, from clips to a part that a model folder takes."""

import importlib.util
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.recipes import ScheduleRecipe, TrainingPreset
from cinefoley.config.training import TrainConfig
from cinefoley.config.variations import VariationConfig
from cinefoley.data.cache.clip_cache import prepare_clips
from cinefoley.data.cache.clip_windows import ClipWindows, DecodedClips
from cinefoley.data.cache.feature_cache import network_digest, prepare_features, prepare_latents
from cinefoley.data.cache.stage_cache import KIND_NAMES, StageClips
from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.errors import CheckpointMismatchError, CinefoleyError, DataError, MissingWeightsError
from cinefoley.models.build import (
    build_audio_encoder,
    build_autoencoder,
    build_conditioner,
    build_denoiser,
    build_scheduler,
    build_video_encoder,
)
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.devices import choose_own_device
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.training.engine.epochs import Passes
from cinefoley.training.engine.loop import fit
from cinefoley.training.engine.task import Sample, Task
from cinefoley.training.run_folder import RunFolder, claimed_run
from cinefoley.training.stages.audio_previews import preview_takes
from cinefoley.training.stages.starting_parts import StartingParts
from cinefoley.training.tasks.alignment import AlignmentTask
from cinefoley.training.tasks.alignment_windows import prepare_pairs
from cinefoley.training.tasks.autoencoder import AutoencoderTask
from cinefoley.training.tasks.cavp import CavpTask, Look
from cinefoley.training.tasks.cavp_warm_start import VideoEncoderTask
from cinefoley.training.tasks.ldm import LatentDiffusionTask
from cinefoley.training.varied_video import varied_look

__all__ = ["STAGES", "Stage", "StageResult", "StageSettings", "claimed_stage", "train_stage"]

Stage = Literal["cavp", "autoencoder", "ldm", "alignment", "guidance"]

PartT = TypeVar("PartT", bound=nn.Module)

_PREVIEWS = 2
_SCALE_WINDOWS = 1024  # enough for three digits of the latents' scale


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """What a stage is trained on, and how."""

    preset: TrainingPreset
    """Model and recipes."""
    run_dir: Path
    """The run's folder: checkpoint, log, ledger, parts."""
    cache_dir: Path
    """Where clips, features and latents are kept."""
    held_out: ClipSource | None = None
    """Clips to validate on, and to make samples of; None validates on none."""
    models: Sequence[str | Path] = ()
    """Where the parts are that the stage starts from."""
    clip_s: float = 10.0
    """Seconds that are kept of a clip."""
    workers: int = 1
    """Processes that decode."""
    device: torch.device = field(default_factory=choose_own_device)
    """Where features and latents are computed, and the stage is trained."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Settings of :class:`TrainConfig` in place of the recipe's; None leaves the recipe's."""
    warm_start_steps: int | None = None
    """Steps of CAVP's warm start in place of the recipe's; 0 leaves it out."""
    on_note: Callable[[str], None] | None = None
    """Called with what a user should know."""
    variation: VariationConfig | None = None
    """What CAVP's video tower is shown in place of whole pictures; None shows them whole."""
    trains_audio: bool = True
    """Whether CAVP's audio tower learns too; not where a generator knows the space that both span."""
    init: Sequence[str | Path] = ()
    """Where the first weights of the trained parts are taken from; what is in none begins at random."""
    on_prepared: Callable[[str, int, int], None] | None = None
    """Called while clips, features and latents are made ready: with which, how many, and of how many."""
    shows_progress: bool = False
    """Whether the engine draws a bar with the time left, on a terminal."""
    on_log: Callable[[dict[str, float]], None] | None = None
    """Called with every line of the log."""

    def counter(self, what: str) -> Callable[[int, int], None] | None:
        """:attr:`on_prepared` for one kind of thing."""
        return None if self.on_prepared is None else partial(self.on_prepared, what)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What a stage has left."""

    parts: tuple[Path, ...]
    """Folders of the trained parts."""
    config: TrainConfig
    """How they were trained."""
    num_clips: int
    """Clips that were trained on."""
    ledger: tuple[Record, ...]
    """Clips that were left out."""
    last: Mapping[str, Any]
    """The last line of the log."""


def train_stage(stage: Stage, source: ClipSource, settings: StageSettings) -> StageResult:
    """Train one stage to its end, from where the last run in its folder stopped.

    Args:
        stage: ``"cavp"``, which leaves ``video_encoder/`` and ``audio_encoder/``; ``"autoencoder"``, which
            leaves ``vae/``; and, starting from ``video_encoder/`` and ``vae/``: ``"ldm"``, which leaves
            ``unet/``, ``conditioner/`` and ``scheduler/``, ``"alignment"``, which leaves the judge,
            ``alignment/``, and ``"guidance"``, which leaves ``guidance_classifier/``.
        source: The clips.
        settings: The rest.

    Returns:
        The parts, what they were trained on, and the last figures.

    Raises:
        DataError: If no clip can be used.
        MissingWeightsError: If a part that the stage starts from is not there.
        CheckpointMismatchError: If a part, or what is in the run's folder, belongs to other settings.
        RunInterrupted: On SIGTERM or SIGINT, after the state was saved.
        OutputError: If something cannot be written; what is finished is kept.
        CinefoleyError: If another run holds the folder.
    """
    with claimed_stage(settings.run_dir) as folder:
        return STAGES[stage](source, settings, folder)


@contextmanager
def claimed_stage(run_dir: Path) -> Iterator[RunFolder]:
    """Hold a run's folder from the first clip to the last part, once it is sure that training can begin.

    Raises:
        CinefoleyError: If the `train` extra is not installed, or another run holds the folder.
    """
    _check_extra()  # now rather than after hours of decoding
    is_main = int(os.environ.get("RANK", "0")) == 0  # torchrun's; alone, everyone is
    with claimed_run(run_dir, is_main=is_main):
        yield RunFolder(run_dir, is_main=is_main)


def _check_extra() -> None:
    if importlib.util.find_spec("accelerate") is None:
        raise CinefoleyError(
            "Training needs accelerate, which is not installed. Install it with "
            "`pip install 'cinefoley[train]'`."
        )


def _train_cavp(source: ClipSource, settings: StageSettings, folder: RunFolder) -> StageResult:
    model, recipe = settings.preset.model, settings.preset.cavp
    audio_config = model.audio_encoder
    assert audio_config is not None  # every preset of training has one
    span = recipe.window_frames + (recipe.windows - 1) * recipe.gap_frames
    rate = recipe.mel.sample_rate / recipe.mel.hop_length / model.foley.video_fps
    heard = replace(model.foley, mel=recipe.mel, video_frames=span, mel_frames=round(span * rate))
    if not settings.trains_audio and not StartingParts(settings.init, model.foley).has("audio_encoder"):
        raise MissingWeightsError(
            "An audio tower that does not learn must have learned before: name a model that has an "
            "audio_encoder/ with --init."
        )
    clips = _prepare(source, heard, settings, folder)
    config = _config(recipe.schedule, clips, settings)
    with _seeded(config.seed):
        video_encoder = _initial(settings, "video_encoder", build_video_encoder(model.video_encoder))
        audio_encoder = _initial(settings, "audio_encoder", build_audio_encoder(audio_config))
    kept = {} if settings.trains_audio else {"audio_encoder": network_digest(audio_encoder)}
    _begin(folder, "cavp", settings, source, clips, kept)
    # both tasks read rows and shapes, which is all of these clips that they need
    rows = cast(StageClips, clips)
    warm = None
    if _wants_warm_start(clips, settings):
        assert recipe.warm_start is not None
        with _seeded(recipe.warm_start.seed):
            warm = VideoEncoderTask(
                video_encoder,
                rows,
                audio_encoder=audio_encoder if settings.trains_audio else None,
                kinds_from=recipe.kinds_from,
            )
        overrides = {**settings.overrides, "steps": settings.warm_start_steps, "learning_rate": None}
        warm_config = recipe.warm_start.train_config(len(clips), **overrides)
        fit(
            warm,
            warm_config,
            settings.run_dir / "warm_start",
            device=settings.device,
            on_log=settings.on_log,
            show_progress=settings.shows_progress,
        )
    task = CavpTask(
        video_encoder,
        audio_encoder,
        rows,
        windows=recipe.windows,
        window_frames=recipe.window_frames,
        gap_frames=recipe.gap_frames,
        pooling=recipe.pooling,
        temporal_weight=recipe.temporal_weight,
        heads=warm.heads if warm is not None and recipe.keeps_targets else None,
        look=_look(source, clips, settings),
        look_name=None if settings.variation is None else repr(settings.variation),
        trains_audio=settings.trains_audio,
    )
    task.prefetches = clips.is_streamed
    audio_encoder.to(settings.device)  # the engine moves only what is trained
    held_out = _prepare_held_out(heard, settings)
    if held_out is not None and (task.heads is None or held_out.label_names == clips.label_names):
        assert settings.held_out is not None
        look = _look(settings.held_out, held_out, settings)
        task.held_out = task.on(cast(StageClips, held_out), look)
    _fit(task, recipe.schedule, config, settings, folder)
    parts = (
        folder.write_part("video_encoder", video_encoder.save_pretrained),
        folder.write_part("audio_encoder", audio_encoder.save_pretrained),
    )
    return _finish(parts, config, clips, settings, folder)


def _look(source: ClipSource, clips: DecodedClips, settings: StageSettings) -> Look | None:
    """What is seen of clips, where they are varied."""
    if settings.variation is None:
        return None
    return varied_look(
        source,
        clips,
        settings.variation,
        cache_dir=settings.cache_dir,
        workers=settings.workers,
        on_clip=settings.counter("larger pictures"),
    )


def _wants_warm_start(clips: DecodedClips, settings: StageSettings) -> bool:
    """Whether the recipe has one, and the clips tell what it teaches: events, and the stage's kinds."""
    if settings.preset.cavp.warm_start is None or settings.warm_start_steps == 0:
        return False
    if bool(clips.has_events.all()) and tuple(clips.label_names) == KIND_NAMES:
        return True
    if settings.on_note is not None:
        settings.on_note(
            "no warm start: it needs the known events of the Foley stage; a small model finds little "
            "synchrony by contrast alone"
        )
    return False


def _train_autoencoder(source: ClipSource, settings: StageSettings, folder: RunFolder) -> StageResult:
    model, recipe = settings.preset.model, settings.preset.autoencoder
    clips = _prepare(source, model.foley, settings, folder)
    _begin(folder, "autoencoder", settings, source, clips, {})
    windows = clips.windows(model.foley, _windows_per_clip(clips, model.foley, 4))
    config = _config(recipe.schedule, clips, settings)
    with _seeded(config.seed):
        autoencoder = _initial(settings, "vae", build_autoencoder(model.autoencoder))
    autoencoder = autoencoder.to(memory_format=torch.channels_last)
    # the task reads rows and shapes, which is all of a tensor that it needs
    mels = cast(Tensor, windows.mels)
    task = AutoencoderTask(
        autoencoder,
        mels,
        crop_frames=recipe.crop_frames,
        kl_weight=recipe.kl_weight,
        choices=recipe.choices,
        audible_weight=recipe.audible_weight,
        slope_weight=recipe.slope_weight,
        mel_config=model.foley.mel,
    )
    task.prefetches = clips.is_streamed
    held_out = _prepare_held_out(model.foley, settings)
    if held_out is not None:
        task.held_out = task.on(cast(Tensor, held_out.windows(model.foley).mels))
    _fit(task, recipe.schedule, config, settings, folder, per_clip=windows.per_clip)
    if recipe.has_unit_variance:
        autoencoder.register_to_config(scaling_factor=round(_unit_scale(autoencoder, windows), 5))
    parts = (folder.write_part("vae", autoencoder.save_pretrained),)
    return _finish(parts, config, clips, settings, folder)


def _train_ldm(source: ClipSource, settings: StageSettings, folder: RunFolder) -> StageResult:
    model, recipe = settings.preset.model, settings.preset.ldm
    encoder, autoencoder, parts = _load_starting_parts(settings)
    clips = _prepare(source, model.foley, settings, folder)
    _begin(folder, "ldm", settings, source, clips, parts)
    watching = encoder.to(settings.device), autoencoder.to(settings.device)
    windows = clips.windows(model.foley, _windows_per_clip(clips, model.foley, recipe.windows_per_clip))
    encoded = _encode(windows, *watching, settings)
    config = _config(recipe.schedule, clips, settings)
    scheduler = build_scheduler(model.denoiser)
    with _seeded(config.seed):
        denoiser = _initial(settings, "unet", build_denoiser(model.denoiser))
        conditioner = build_conditioner(model)
        if recipe.conditioner_std is not None:
            nn.init.normal_(conditioner.projection.weight, std=recipe.conditioner_std)
        conditioner = _initial(settings, "conditioner", conditioner)
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
    held_out = _prepare_held_out(model.foley, settings)
    if held_out is not None:
        shown = held_out.windows(model.foley)
        task.held_out = task.on(**_encode(shown, *watching, settings))
        pipeline = FoleyPipeline(
            video_encoder=encoder,
            conditioner=conditioner,
            unet=denoiser,
            vae=autoencoder,
            scheduler=scheduler,
            foley_config=model.foley,
        )
        task.preview = _preview(pipeline, shown, task.held_out.video_features)
    _fit(task, recipe.schedule, config, settings, folder, per_clip=windows.per_clip)
    written = (
        folder.write_part("unet", denoiser.save_pretrained),
        folder.write_part("conditioner", conditioner.save_pretrained),
        folder.write_part("scheduler", scheduler.save_pretrained),
    )
    return _finish(written, config, clips, settings, folder)


def _train_classifier(
    source: ClipSource, settings: StageSettings, folder: RunFolder, *, is_for_guidance: bool
) -> StageResult:
    model, recipe = settings.preset.model, settings.preset.alignment
    encoder, autoencoder, parts = _load_starting_parts(settings)
    clips = _prepare(source, model.foley, settings, folder)
    if len(clips) < 2:
        raise DataError(f"{source.name}: one clip has no other clip's sound beside it; two are the least.")
    stage, name = ("guidance", "guidance_classifier") if is_for_guidance else ("alignment", "alignment")
    _begin(folder, stage, settings, source, clips, parts)
    config = _config(recipe.schedule, clips, settings)
    pairs = partial(
        prepare_pairs,
        config=model.foley,
        video_encoder=encoder.to(settings.device),
        autoencoder=autoencoder.to(settings.device),
        cache_dir=settings.cache_dir,
        seed=config.seed,
    )
    with _seeded(config.seed):
        classifier = AlignmentClassifier(
            latent_channels=model.autoencoder.latent_channels,
            block_out_channels=recipe.block_out_channels,
            feature_dim=model.video_encoder.feature_dim,
            max_frames=model.max_frames,
            num_heads=recipe.num_heads,
            norm_num_groups=recipe.norm_num_groups,
            adds_frames=recipe.adds_frames,
        )
        classifier = _initial(settings, name, classifier)
    task = AlignmentTask(
        classifier.to(memory_format=torch.channels_last),
        pairs(clips, on_row=settings.counter("pairs")),
        scheduler=build_scheduler(model.denoiser) if is_for_guidance else None,
        feature_noise=recipe.feature_noise,
        splices=recipe.splices,
    )
    held_out = _prepare_held_out(model.foley, settings)
    if held_out is not None and len(held_out) > 1:
        task.held_out = task.on(pairs(held_out))
    _fit(task, recipe.schedule, config, settings, folder)
    written = (folder.write_part(name, classifier.save_pretrained),)
    return _finish(written, config, clips, settings, folder)


STAGES: Mapping[Stage, Callable[[ClipSource, StageSettings, RunFolder], StageResult]] = {
    "cavp": _train_cavp,
    "autoencoder": _train_autoencoder,
    "ldm": _train_ldm,
    "alignment": partial(_train_classifier, is_for_guidance=False),
    "guidance": partial(_train_classifier, is_for_guidance=True),
}
"""The stages by name."""


def _prepare(
    source: ClipSource, foley: FoleyConfig, settings: StageSettings, folder: RunFolder
) -> DecodedClips:
    clips = prepare_clips(
        source,
        foley,
        settings.cache_dir,
        duration_s=max(settings.clip_s, foley.window_s),
        workers=settings.workers,
        on_clip=settings.counter("clips"),
    )
    if not len(clips):
        folder.write_ledger(clips)
        first = clips.ledger[0]
        raise DataError(
            f"{source.name}: not one of {len(source)} clips can be used; {folder.path / 'ledger.jsonl'} says "
            f"why of each ({first['id']}: {first['reason']})."
        )
    return clips


def _prepare_held_out(foley: FoleyConfig, settings: StageSettings) -> DecodedClips | None:
    """Clips to validate on; None where there are none, or none can be used."""
    if settings.held_out is None:
        return None
    clips = prepare_clips(
        settings.held_out,
        foley,
        settings.cache_dir,
        duration_s=max(settings.clip_s, foley.window_s),
        workers=settings.workers,
        on_clip=settings.counter("clips to validate on"),
    )
    return clips if len(clips) else None


def _encode(
    windows: ClipWindows, encoder: VideoEncoder, autoencoder: AutoencoderKL, settings: StageSettings
) -> dict[str, Tensor]:
    """Features and scaled latents of windows, as the denoiser's task takes them."""
    features = prepare_features(windows, encoder, settings.cache_dir, on_row=settings.counter("features"))
    latents = prepare_latents(
        windows, autoencoder, settings.cache_dir, on_row=settings.counter("latents")
    ).scaled(autoencoder.config.scaling_factor)
    # the task reads rows and shapes, which is all of a tensor that it needs
    rows = {"means": latents.means, "stds": latents.stds, "video_features": features}
    return {name: cast(Tensor, column) for name, column in rows.items()}


def _preview(
    pipeline: FoleyPipeline, windows: ClipWindows, features: Tensor
) -> Callable[[], Sequence[Sample]]:
    """Takes of the first held-out clips, their events marked where they are known."""
    shown = range(min(_PREVIEWS, len(windows)))
    return partial(
        preview_takes,
        pipeline,
        features[: len(shown)],
        names=[re.sub(r"[^A-Za-z0-9._-]", "_", windows.clips.ids[row]) for row in shown],
        events_s=[windows.events_s[row][~windows.events_s[row].isnan()].tolist() for row in shown],
    )


def _begin(
    folder: RunFolder,
    stage: str,
    settings: StageSettings,
    source: ClipSource,
    clips: DecodedClips,
    parts: Mapping[str, str],
) -> None:
    init = [str(name) for name in settings.init]
    folder.begin(stage, settings.preset.name, source.name, clips, parts, init=init)


def _windows_per_clip(clips: DecodedClips, foley: FoleyConfig, wanted: int) -> int:
    """As many as are wanted, but no more than there are places."""
    last = clips.windows(foley, 2).starts[:, 1].max()
    return min(wanted, int(last) + 1)


def _config(schedule: ScheduleRecipe, clips: DecodedClips, settings: StageSettings) -> TrainConfig:
    return schedule.train_config(len(clips), **settings.overrides)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Initial weights come from the run's seed, and the global state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _fit(
    task: Task,
    schedule: ScheduleRecipe,
    config: TrainConfig,
    settings: StageSettings,
    folder: RunFolder,
    *,
    per_clip: int = 1,
) -> None:
    """``per_clip``: rows of the task for each clip. What is held out has been set apart by now."""
    if schedule.epochs is not None:  # a recipe in epochs means passes, one in steps draws from all clips
        task.passes = Passes(seed=config.seed, per_clip=per_clip)
    fit(
        task,
        config,
        settings.run_dir,
        device=settings.device,
        on_begin=partial(folder.note_start, config),
        on_log=settings.on_log,
        show_progress=settings.shows_progress,
    )


@torch.no_grad()
def _unit_scale(autoencoder: AutoencoderKL, windows: ClipWindows) -> float:
    """What latents' means must be multiplied with to have unit variance, over evenly spaced windows."""
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


def _initial(settings: StageSettings, name: str, module: PartT) -> PartT:
    """A part with random weights, or with those that the user names for it."""
    starting = StartingParts(settings.init, settings.preset.model.foley)
    if not starting.has(name):
        return module
    there = starting.load(name, type(module))
    try:
        module.load_state_dict(there.state_dict())
    except RuntimeError as exc:
        raise CheckpointMismatchError(
            f"{name}: the weights to begin with are of another shape than the preset "
            f"{settings.preset.name}'s ({str(exc).splitlines()[-1].strip()}). Choose another --preset "
            "or --init."
        ) from exc
    return module


def _load_starting_parts(settings: StageSettings) -> tuple[VideoEncoder, AutoencoderKL, dict[str, str]]:
    """The parts that a generator's stages start from, and their digests."""
    preset = settings.preset
    starting = StartingParts(settings.models, preset.model.foley)
    encoder = starting.load("video_encoder", VideoEncoder)
    autoencoder = starting.load("vae", AutoencoderKL)
    wanted = preset.model.video_encoder.feature_dim, preset.model.autoencoder.latent_channels
    found = encoder.config.feature_dim, autoencoder.config.latent_channels
    if found != wanted:
        raise CheckpointMismatchError(
            f"The parts to start from have features of {found[0]} numbers and {found[1]} latent channels, "
            f"the preset {preset.name} has {wanted[0]} and {wanted[1]}. Choose another --preset or --model."
        )
    digests = {"video_encoder": network_digest(encoder), "vae": network_digest(autoencoder)}
    return encoder, autoencoder, digests


def _finish(
    parts: tuple[Path, ...],
    config: TrainConfig,
    clips: DecodedClips,
    settings: StageSettings,
    folder: RunFolder,
) -> StageResult:
    names = ", ".join(f"{part.name}/" for part in parts)
    if folder.is_main:
        settings.preset.model.foley.save(settings.run_dir)
    folder.write_card(f"copy {names} there, or name this folder with --model in the next stage.")
    return StageResult(
        parts=parts,
        config=config,
        num_clips=len(clips),
        ledger=clips.ledger,
        last=folder.last_line(),
    )
