"""Foley configuration: window length, frame rate, frame size and mel front-end of a model."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args

from cinefoley.config.frame_rate import FrameChoice, FrameRate
from cinefoley.config.mel import MelConfig

__all__ = ["FoleyConfig", "NullCondition", "Quality"]

NullCondition = Literal["zero_context", "zero_features"]
"""Context of the denoiser without a condition.

``zero_context``: zeros in place of the embedded features, as Diff-Foley samples.
``zero_features``: the embedding of zero features (bias and positions), as Diff-Foley trains.
"""


Quality = Literal["paper", "balanced", "draft"]
"""Name of a sampling preset, from the paper's to the fastest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoleyConfig:
    """One window of video and sound of a model. The defaults are Diff-Foley's numbers."""

    mel: MelConfig = field(default_factory=MelConfig)
    """The mel front-end."""
    mel_frames: int = 512
    """Mel frames in one window."""
    video_fps: float = 4.0
    """Frame rate of the video encoder, in frames per second."""
    video_frames: int = 32
    """Frames in one window."""
    frames_per_feature: int = 1
    """Frames that share one video feature: more show the encoder motion between two features."""
    frame_choice: FrameChoice = "before_middle"
    """Which frame of a video is shown at each instant; see ``config/frame_rate.py``."""
    frame_size: tuple[int, int] = (224, 224)
    """Height and width to which every frame is resized, in pixels."""
    null_condition: NullCondition = "zero_context"
    """The unconditional branch of classifier-free guidance."""
    quality: Quality = "paper"
    """Preset that generation uses unless another is requested; see ``docs/quality.md``."""

    FILE_NAME = "foley_config.json"

    def __post_init__(self) -> None:
        if self.mel_frames < 1 or self.video_frames < 1 or self.video_fps <= 0 or min(self.frame_size) < 1:
            raise ValueError(f"a window needs frames of positive size: {self}")
        if self.frames_per_feature < 1 or self.video_frames % self.frames_per_feature:
            raise ValueError(
                f"video_frames must be a multiple of frames_per_feature, got {self.video_frames} and "
                f"{self.frames_per_feature}"
            )
        if self.frame_choice not in get_args(FrameChoice):
            raise ValueError(
                f"frame_choice must be one of {', '.join(get_args(FrameChoice))}, got {self.frame_choice!r}"
            )
        if self.quality not in get_args(Quality):
            raise ValueError(f"quality must be one of {', '.join(get_args(Quality))}, got {self.quality!r}")
        if self.video_frames / self.video_fps > self.window_s + 1 / self.video_fps:
            raise ValueError(
                f"{self.video_frames} frames at {self.video_fps:g} fps do not fit into a window "
                f"of {self.window_s:g} s"
            )

    @property
    def window_samples(self) -> int:
        """Samples of sound in one window."""
        return self.mel_frames * self.mel.hop_length

    @property
    def window_s(self) -> float:
        """Length of one window in seconds (8.192 for Diff-Foley)."""
        return self.window_samples / self.mel.sample_rate

    @property
    def frame_rate(self) -> FrameRate:
        """Rate and choice of the frames, for everything that samples a video."""
        return FrameRate.of(self.video_fps, self.frame_choice)

    @property
    def feature_frames(self) -> int:
        """Video features of one window (32 for Diff-Foley)."""
        return self.video_frames // self.frames_per_feature

    @property
    def feature_fps(self) -> float:
        """Video features per second (4 for Diff-Foley)."""
        return self.video_fps / self.frames_per_feature

    def describe_window(self) -> dict[str, Any]:
        """Everything that shapes a window's frames and mels, ready for JSON, as for keys of caches."""
        values = asdict(self)
        del values["quality"], values["frames_per_feature"]
        if self.frame_choice == "before_middle":  # the keys of caches from before there was a choice
            del values["frame_choice"]
        return values

    def save(self, folder: Path) -> None:
        """Write ``foley_config.json`` into ``folder``."""
        (folder / self.FILE_NAME).write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read ``foley_config.json`` from ``folder``.

        Raises:
            ValueError: If the file holds a name that is not a setting.
        """
        return cls.from_dict(json.loads((folder / cls.FILE_NAME).read_text()))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from a plain dictionary, as :meth:`save` writes it."""
        _check_names(cls, values)
        values = dict(values)
        if "mel" in values:
            _check_names(MelConfig, values["mel"])
            values["mel"] = MelConfig(**values["mel"])
        if "frame_size" in values:
            height, width = values["frame_size"]
            values["frame_size"] = (height, width)
        return cls(**values)


def _check_names(cls: type, values: dict[str, Any]) -> None:
    unknown = sorted(set(values) - {f.name for f in fields(cls)})
    if unknown:
        raise ValueError(
            f"{cls.__name__} has no setting {unknown[0]!r}; it has {[f.name for f in fields(cls)]}"
        )
