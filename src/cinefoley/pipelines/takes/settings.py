"""Generation settings: how many takes of which section of a video, and how they are sampled and stored."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from cinefoley.config.foley import Quality
from cinefoley.media.audio.writer import Subtype
from cinefoley.pipelines.quality import sampling_settings
from cinefoley.pipelines.settings import SamplingOptions, SamplingSettings

__all__ = ["GenerationSettings", "generation_settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSettings(SamplingSettings):
    """Settings of ``generate`` for each video, on top of the sampling settings."""

    num_takes: int = 1
    """Takes per video."""
    seed: int = 0
    """The same seed generates the same takes."""
    start: float = 0.0
    """Start of the section, in seconds from the first frame."""
    duration: float | None = None
    """Length of the section in seconds; None: to the end of the video."""
    subtype: Subtype = "PCM_16"
    """Sample format of the WAV files."""
    saves_mel: bool = False
    """Whether to write the mels as ``.npy``."""
    cues_s: tuple[float, ...] | None = None
    """Times to which the events of every take are moved, ascending, in seconds from the first frame; None
    moves nothing."""
    like: str | None = None
    """Sound file that takes should be like; None: as the video says."""
    kind: str | None = None
    """Kind of sound that takes should be of, of those that the model names; None: as the video says."""
    unlike: str | None = None
    """Sound file that takes should be unlike; None: none."""
    shots: Literal["auto", "off"] | tuple[tuple[float, float], ...] = "auto"
    """Shots of a video file: found, or ignored, or begin and end of each in seconds; no window spans a cut.
    Clips of shards and windows of test sets are one shot each."""
    writes_video: bool = True
    """Whether each take also gets the video with its sound."""
    overwrites: bool = False
    """Whether to replace existing takes."""

    def __post_init__(self) -> None:
        SamplingSettings.__post_init__(self)  # not super(): slots make another class of this one
        if self.num_takes < 1 or not 0 <= self.seed < 2**32:
            raise ValueError(f"takes must be at least 1 and the seed 0 to 2**32 - 1: {self}")
        if not (math.isfinite(self.start) and self.start >= 0):
            raise ValueError(f"start must be 0 s or more, got {self.start}")
        if self.like is not None and self.kind is not None:
            raise ValueError("takes follow an example or a kind; omit like or kind")
        if self.unlike is not None and self.guidance_scale == 1:
            raise ValueError("guidance_scale 1 turns guidance off, so unlike would be ignored; omit one")
        cues = self.cues_s or ()
        if not all(math.isfinite(cue) for cue in cues) or any(b <= a for a, b in pairwise(cues)):
            raise ValueError(f"cues_s must be finite and ascend, got {cues}")
        if self.cues_s is not None and self.saves_mel:
            raise ValueError("cues move a take's sound and not its mel; omit one of the two")
        if self.duration is not None and not (math.isfinite(self.duration) and self.duration >= 1e-3):
            raise ValueError(f"duration must be a millisecond or more, got {self.duration}")


def generation_settings(default: Quality = "paper", **options: Any) -> GenerationSettings:
    """Settings from keyword arguments: a preset, and what replaces its values.

    Args:
        default: Preset if ``quality`` is not given, or None: that of the model.
        options: ``quality`` and fields of :class:`GenerationSettings`.

    Raises:
        ValueError: As :class:`GenerationSettings`.
    """
    sampling: Any = {name: options.pop(name) for name in SamplingOptions.__annotations__ if name in options}
    if sampling.get("quality", default) is None:
        del sampling["quality"]
    return GenerationSettings(**sampling_settings(default, **sampling).options(), **options)
