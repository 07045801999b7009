"""What training stages share: clips, first weights, training, trained parts and the model card."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.recipes import ScheduleRecipe
from cinefoley.config.training import TrainConfig
from cinefoley.data.cache.clip_cache import prepare_clips
from cinefoley.data.cache.clip_windows import ClipWindows, DecodedClips
from cinefoley.data.cache.feature_cache import network_digest, prepare_features, prepare_latents
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.errors import CheckpointMismatchError
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.engine.epochs import EpochOrder
from cinefoley.training.engine.task import Task
from cinefoley.training.run_folder import RunFolder
from cinefoley.training.run_settings import RunResult
from cinefoley.training.stages.settings import StageSettings
from cinefoley.training.stages.starting_parts import StartingParts

__all__ = ["StageRun", "seeded"]

PartT = TypeVar("PartT", bound=nn.Module)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw initial weights from a seed; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


class StageRun:
    """One run of a stage.

    Args:
        stage: Name of the stage, as ``run.json`` has it.
        source: The clips.
        settings: Settings of the run.
        folder: The run folder.
    """

    def __init__(self, stage: str, source: ClipSource, settings: StageSettings, folder: RunFolder) -> None:
        self.stage, self.source, self.settings, self.folder = stage, source, settings, folder
        self.model = settings.preset.model

    def prepare_clips(self, foley: FoleyConfig) -> DecodedClips:
        """Decode the training clips, or read them from the cache.

        Raises:
            DataError: If no clip can be used.
        """
        clips = self._prepare(self.source, foley, "clips")
        self.folder.require_clips(clips, self.source)
        return clips

    def prepare_held_out(self, foley: FoleyConfig) -> DecodedClips | None:
        """The clips to validate on; None if there are none, or none can be used."""
        if self.settings.held_out is None:
            return None
        clips = self._prepare(self.settings.held_out, foley, "clips to validate on")
        return clips if len(clips) else None

    def windows(self, clips: DecodedClips, wanted: int) -> ClipWindows:
        """As many windows of each clip as are wanted, but no more than there are places."""
        foley = self.model.foley
        last = clips.windows(foley, 2).starts[:, 1].max()
        return clips.windows(foley, min(wanted, int(last) + 1))

    def begin(self, clips: DecodedClips, parts: Mapping[str, str]) -> None:
        """Record what this run is; ``parts``: digest of each part that it starts from."""
        init = [str(name) for name in self.settings.init]
        self.folder.begin(self.stage, self.settings.preset.name, self.source.name, clips, parts, init=init)

    def config(self, schedule: ScheduleRecipe, clips: DecodedClips) -> TrainConfig:
        """The engine's settings for a number of clips."""
        return schedule.train_config(len(clips), **self.settings.overrides)

    def initialised(self, name: str, module: PartT) -> PartT:
        """A part with its random weights, or with those that the user names for it.

        Raises:
            CheckpointMismatchError: If these have another shape.
        """
        starting = StartingParts(self.settings.init, self.model.foley)
        if not starting.has(name):
            return module
        found = starting.load(name, type(module))
        try:
            module.load_state_dict(found.state_dict())
        except RuntimeError as exc:
            raise CheckpointMismatchError(
                f"{name}: the weights to begin with are of another shape than the preset "
                f"{self.settings.preset.name}'s ({str(exc).splitlines()[-1].strip()}). Choose another "
                "--preset or --init."
            ) from exc
        return module

    def load_encoders(self) -> tuple[VideoEncoder, AutoencoderKL, dict[str, str]]:
        """The parts that a generator's stages start from, on the device, and their digests.

        Raises:
            CheckpointMismatchError: If their widths are not the preset's.
        """
        starting = StartingParts(self.settings.models, self.model.foley)
        encoder = starting.load("video_encoder", VideoEncoder)
        autoencoder = starting.load("vae", AutoencoderKL)
        wanted = self.model.video_encoder.feature_dim, self.model.autoencoder.latent_channels
        found = encoder.config.feature_dim, autoencoder.config.latent_channels
        if found != wanted:
            raise CheckpointMismatchError(
                f"The parts to start from have features of {found[0]} numbers and {found[1]} latent "
                f"channels, the preset {self.settings.preset.name} has {wanted[0]} and {wanted[1]}. Choose "
                "another --preset or --model."
            )
        digests = {"video_encoder": network_digest(encoder), "vae": network_digest(autoencoder)}
        device = self.settings.device
        return encoder.to(device), autoencoder.to(device), digests

    def encode(
        self, windows: ClipWindows, encoder: VideoEncoder, autoencoder: AutoencoderKL
    ) -> dict[str, Tensor]:
        """Features and scaled latents of windows, by the names of the denoiser's task."""
        cache, progress = self.settings.cache_dir, self.settings.progress_of
        features = prepare_features(windows, encoder, cache, on_row=progress("features"))
        latents = prepare_latents(windows, autoencoder, cache, on_row=progress("latents"))
        scaled = latents.scaled(autoencoder.config.scaling_factor)
        # the task reads rows and shapes, which is all of a tensor that it needs
        rows = {"means": scaled.means, "stds": scaled.stds, "video_features": features}
        return {name: cast(Tensor, column) for name, column in rows.items()}

    def train(
        self, task: Task, schedule: ScheduleRecipe, config: TrainConfig, *, windows_per_clip: int = 1
    ) -> None:
        """Train a task whose rows are windows, those of each clip side by side."""
        if schedule.epochs is not None:  # a recipe in steps draws every step's rows from all clips
            task.epoch_order = EpochOrder(seed=config.seed, per_clip=windows_per_clip)
        self.folder.train(task, config, self.settings)

    def finish(
        self, parts: Mapping[str, Callable[[Path], None]], config: TrainConfig, clips: DecodedClips
    ) -> RunResult:
        """Write the trained parts, and the model card; ``parts``: what saves each part, by its name."""
        written = tuple(self.folder.write_part(name, save) for name, save in parts.items())
        if self.folder.is_main:
            self.model.foley.save(self.folder.path)
        names = ", ".join(f"{name}/" for name in parts)
        self.folder.write_card(
            f"train {self.stage}", f"copy {names} there, or name this folder with --model in the next stage."
        )
        return RunResult(
            parts=written,
            config=config,
            num_clips=len(clips),
            ledger=clips.ledger,
            last=self.folder.last_line(),
        )

    def _prepare(self, source: ClipSource, foley: FoleyConfig, what: str) -> DecodedClips:
        return prepare_clips(
            source,
            foley,
            self.settings.cache_dir,
            duration_s=max(self.settings.clip_s, foley.window_s),
            workers=self.settings.workers,
            on_clip=self.settings.progress_of(what),
        )
