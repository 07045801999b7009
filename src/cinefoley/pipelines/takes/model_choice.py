"""Model choice: which model is used, and where; loaded when the first video needs it."""

import logging
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from cinefoley.config.foley import FoleyConfig, Quality
from cinefoley.data.json_lines import json_digest
from cinefoley.errors import CheckpointMismatchError, CinefoleyError, MissingWeightsError
from cinefoley.pipelines.devices import Precision, choose_dtype, choose_own_device
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.loading import resolve_model
from cinefoley.pipelines.takes.model_record import ModelRecord

__all__ = ["LoadedModel", "ModelChoice", "loaded_in_worker"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """A model by name, and how it is run. Small and hashable, so that it can be sent to workers."""

    name: str
    """A bundled name, a folder or a hub id."""
    video_encoder: str | None = None
    """``teacher``, ``student`` or a folder; None: the student if the model has one."""
    device: str = "auto"
    """Device to run on; with several GPUs, every rank gets its own."""
    precision: Precision = "auto"
    """Number format of the networks."""
    has_double_guidance: bool = False
    """Whether the guidance classifier is needed."""
    weights: str | None = None
    """SHA-256 over the weights that must be found; None: any."""

    def pinned(self) -> "ModelChoice":
        """The same choice for workers, which must find the weights that this process finds.

        A worker that outlives a command loads weights again that have changed since.
        """
        return replace(self, weights=json_digest(LoadedModel(self).record.sha256))


class LoadedModel:
    """The model of a choice; its parts are read when they are first needed."""

    def __init__(self, choice: ModelChoice) -> None:
        self._choice = choice

    @cached_property
    def default_quality(self) -> Quality:
        """The preset in the model's folder; ``paper`` where it cannot be read, which loading will report."""
        try:
            return FoleyConfig.load(self._folder).quality
        except (CinefoleyError, OSError, ValueError, TypeError, KeyError):
            return "paper"

    @cached_property
    def record(self) -> ModelRecord:
        """Digests for the record of the takes; computed without loading the model.

        Raises:
            CheckpointMismatchError: If these are other weights than those of the choice.
        """
        record = ModelRecord.of(self._choice.name, self._folder, self._choice.video_encoder)
        if self._choice.weights not in (None, json_digest(record.sha256)):
            raise CheckpointMismatchError(
                f"{self._choice.name}: a worker has other weights in {self._folder} than the command that "
                "sent it work. Give all machines the same model folder, and run the command again."
            )
        return record

    @cached_property
    def _folder(self) -> Path:
        return resolve_model(self._choice.name)

    @cached_property
    def pipeline(self) -> FoleyPipeline:
        """The model on its device.

        Raises:
            WeightsError: If the model cannot be used.
            DeviceError: If its device cannot be used.
        """
        return _load(self._choice, self._folder)


@lru_cache(maxsize=1)
def loaded_in_worker(choice: ModelChoice) -> LoadedModel:
    """The model of a choice, once per process: for workers, which are sent the choice with every task."""
    return LoadedModel(choice)


def _load(choice: ModelChoice, folder: Path) -> FoleyPipeline:
    if not _log.isEnabledFor(logging.INFO):
        logging.getLogger("diffusers").setLevel(logging.ERROR)  # its messages are for developers
    device = choose_own_device(choice.device)
    dtype = choose_dtype(device, choice.precision)
    _log.info("loading %s from %s onto %s in %s", choice.name, folder, device, dtype)
    pipeline = FoleyPipeline.from_pretrained(folder, torch_dtype=dtype)
    if choice.video_encoder is not None:
        try:
            pipeline.use_video_encoder(choice.video_encoder)
        except ValueError as exc:
            raise MissingWeightsError(f"{choice.name}: {exc} with --video-encoder.") from exc
    if choice.has_double_guidance:
        pipeline.load_guidance_classifier()  # fails before any video is read if the model has none
    pipeline.to(device).prepack()
    return pipeline
