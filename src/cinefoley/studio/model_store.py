"""Model store: models loaded on first use, one at a time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from cinefoley.errors import MissingWeightsError

if TYPE_CHECKING:
    from cinefoley.pipelines.foley import FoleyPipeline
    from cinefoley.pipelines.takes.model_record import ModelRecord

__all__ = ["Encoder", "ModelStore"]

Encoder = Literal["default", "teacher", "student"]
"""Video encoder to use. ``default``: the student if the model has one, otherwise the teacher."""


class ModelStore:
    """Models by name; the last one used stays in memory.

    Args:
        names: Models that can be used: bundled names and folders, at least one.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    """

    def __init__(self, names: Sequence[str], *, device: str = "auto") -> None:
        self.names = tuple(names)
        self._device = device
        self._lock = threading.Lock()
        self._loaded: tuple[str, Encoder, FoleyPipeline, ModelRecord] | None = None

    def kinds(self, name: str) -> tuple[str, ...]:
        """Kinds of sound that a model names; empty for none, and for names that are not in ``names``."""
        from cinefoley.models.kinds import Kinds
        from cinefoley.pipelines.loading import resolve_model

        return Kinds.names_of(resolve_model(name, local_files_only=True)) if name in self.names else ()

    @contextmanager
    def use(self, name: str, encoder: Encoder) -> "Iterator[tuple[FoleyPipeline, ModelRecord]]":
        """Use a model while the block runs; other threads wait.

        Args:
            name: One of ``names``.
            encoder: Video encoder to use.

        Raises:
            MissingWeightsError: If the name is not in ``names``, or the model has no such encoder.
            WeightsError: If the model cannot be loaded.
        """
        if name not in self.names:  # a forged request must not name any folder
            raise MissingWeightsError(f"No model {name!r} in this studio, only {', '.join(self.names)}.")
        with self._lock:
            if self._loaded is None or self._loaded[:2] != (name, encoder):
                self._loaded = None  # frees its memory first
                self._loaded = (name, encoder, *self._load(name, encoder))
            yield self._loaded[2:]

    def _load(self, name: str, encoder: Encoder) -> "tuple[FoleyPipeline, ModelRecord]":
        from cinefoley.pipelines.devices import choose_device, choose_dtype
        from cinefoley.pipelines.foley import FoleyPipeline
        from cinefoley.pipelines.loading import resolve_model
        from cinefoley.pipelines.takes.model_record import ModelRecord

        folder = resolve_model(name, local_files_only=True)
        device = choose_device(self._device)
        pipeline = FoleyPipeline.from_pretrained(folder, torch_dtype=choose_dtype(device))
        chosen = None if encoder == "default" else encoder
        if chosen is not None:
            try:
                pipeline.use_video_encoder(chosen)
            except ValueError as exc:
                raise MissingWeightsError(f"{name}: {exc}.") from exc
        pipeline.to(device).prepack()
        return pipeline, ModelRecord.of(name, folder, chosen)
