"""The models of the studio, loaded when they are first asked for; one of them works at a time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from cinefoley.errors import MissingWeightsError

if TYPE_CHECKING:
    from cinefoley.pipelines.foley import FoleyPipeline
    from cinefoley.pipelines.takes.model_record import ModelRecord

__all__ = ["Encoder", "ModelShelf"]

Encoder = Literal["default", "teacher", "student"]
"""Who watches the film; ``default`` is the student where a model has one."""


class ModelShelf:
    """Models by name; the last one used stays in memory.

    Args:
        names: Those that may be asked for: bundled names and folders, at least one.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    """

    def __init__(self, names: Sequence[str], *, device: str = "auto") -> None:
        self.names = tuple(names)
        self._device = device
        self._lock = threading.Lock()
        self._loaded: tuple[str, Encoder, FoleyPipeline, ModelRecord] | None = None

    @contextmanager
    def borrow(self, name: str, encoder: Encoder) -> "Iterator[tuple[FoleyPipeline, ModelRecord]]":
        """A model while the block runs; others wait.

        Args:
            name: One of ``names``.
            encoder: Who watches.

        Raises:
            MissingWeightsError: If the name is none of ours, or the model has no such encoder.
            WeightsError: If the model cannot be loaded.
        """
        if name not in self.names:  # also keeps a forged request from naming a folder of its choice
            raise MissingWeightsError(f"There is no model {name!r} here, only {', '.join(self.names)}.")
        with self._lock:
            if self._loaded is None or self._loaded[:2] != (name, encoder):
                self._loaded = None  # frees the memory before the next one needs it
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
