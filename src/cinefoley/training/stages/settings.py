"""Settings of the training stages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from cinefoley.config.recipes import TrainingPreset
from cinefoley.data.cache.clip_windows import DecodedClips
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.training.run_settings import RunSettings
from cinefoley.training.tasks.cavp import FrameSampler

__all__ = ["Stage", "StageSettings", "VideoVariation"]

Stage = Literal["cavp", "autoencoder", "ldm", "alignment", "guidance"]


class VideoVariation(Protocol):
    """What CAVP's video encoder sees of clips in place of whole frames."""

    @property
    def name(self) -> str:
        """Everything that decides what is seen, for the checkpoint."""
        ...

    def sampler(self, source: ClipSource, clips: DecodedClips, settings: RunSettings) -> FrameSampler:
        """Prepare the frames of clips, and return what draws varied frames out of them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings(RunSettings):
    """What a stage is trained on, and how."""

    preset: TrainingPreset
    """Model and recipes."""
    models: Sequence[str | Path] = ()
    """Models that hold the parts that the stage starts from."""
    init: Sequence[str | Path] = ()
    """Models that hold first weights of the trained parts; a part that none of them has begins at random."""
    warm_start_steps: int | None = None
    """Steps of CAVP's warm start in place of the recipe's; 0 skips it."""
    variation: VideoVariation | None = None
    """What CAVP's video encoder sees; None shows whole frames."""
    trains_audio: bool = True
    """Whether CAVP's audio encoder is trained too; not where a generator knows the space that both span."""
    on_note: Callable[[str], None] | None = None
    """Called with notes for the user."""
