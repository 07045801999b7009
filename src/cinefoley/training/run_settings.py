"""Settings and result that every training run has: folders, device, decoding, progress callbacks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cinefoley.config.training import TrainConfig
from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.pipelines.devices import choose_own_device

__all__ = ["RunResult", "RunSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Where a run reads and writes, on what it computes, and what it reports."""

    run_dir: Path
    """Run folder: checkpoint, log, ledger, trained parts."""
    cache_dir: Path
    """Folder of the cache: frames, mels, features and latents."""
    held_out: ClipSource | None = None
    """Clips to validate on; None skips validation."""
    clip_s: float = 10.0
    """Seconds that are read of a clip."""
    workers: int = 1
    """Processes, and threads, that decode."""
    device: torch.device = field(default_factory=choose_own_device)
    """Where features and latents are computed, and the networks are trained."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Settings of :class:`TrainConfig` in place of the recipe's; None leaves the recipe's."""
    on_prepared: Callable[[str, int, int], None] | None = None
    """Called while the cache is filled: with what is prepared, how many are finished, and of how many."""
    shows_progress: bool = False
    """Whether the engine draws a progress bar, on a terminal."""
    on_log: Callable[[dict[str, float]], None] | None = None
    """Called with every line of the log."""

    def progress_of(self, what: str) -> Callable[[int, int], None] | None:
        """:attr:`on_prepared` for one kind of prepared thing."""
        return None if self.on_prepared is None else partial(self.on_prepared, what)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run leaves."""

    parts: tuple[Path, ...]
    """Folders of the trained parts."""
    config: TrainConfig
    """How they were trained."""
    num_clips: int
    """Clips that were trained on."""
    ledger: tuple[Record, ...]
    """Skipped clips."""
    last: Mapping[str, Any]
    """The last line of the log."""
