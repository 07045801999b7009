"""Shard layout: how clips are stored in shards, and the files of a folder of shards."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, get_args

from cinefoley.config.frame_rate import FrameChoice, FrameRate
from cinefoley.config.mel import MelConfig
from cinefoley.data.json_lines import Record, json_digest, read_about

__all__ = ["ShardFolder", "ShardLayout", "ShardSettings"]

_KIND = "cinefoley shards"
_FORMAT = 1  # raise when the same settings would give other bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSettings:
    """Settings of shards: what is stored of a clip, and which clips are skipped."""

    fps: float = 4.0
    """Frames per second."""
    short_side: int = 560
    """Pixels of a frame's shorter side at most; smaller ones are stored as they are. The smallest window
    of the paper, 0.4 of each side, then still has the 224 pixels of its model's input."""
    jpeg_quality: int = 90
    """JPEG quality, 1 to 95."""
    duration_s: float = 10.0
    """Seconds that are stored of a clip, from its start."""
    least_s: float = 8.067
    """A clip with less video is too short: one window of 8.192 s minus half a frame."""
    mute_db: float = -60.0
    """A clip whose peak lies below this, in dB re full scale, is mute."""
    mel: MelConfig = field(default_factory=MelConfig)
    """The mel that is stored beside the audio, and the audio's sample rate."""
    frame_choice: FrameChoice = "before_middle"
    """Which frame of a video is stored for each instant."""
    clips_per_shard: int = 64
    """Rows of the split CSV in one shard; a kill loses one shard, and a worker makes one at a time."""

    def __post_init__(self) -> None:
        if self.frame_choice not in get_args(FrameChoice):
            raise ValueError(f"frame_choice must be one of {', '.join(get_args(FrameChoice))}: {self}")
        if self.fps <= 0 or self.short_side < 16 or not 1 <= self.jpeg_quality <= 95:
            raise ValueError(f"need fps > 0, 16 pixels or more and a quality of 1 to 95: {self}")
        if not 0 < self.least_s <= self.duration_s:
            raise ValueError(f"need 0 < least_s <= duration_s: {self}")
        if self.clips_per_shard < 1:
            raise ValueError(f"a shard holds one clip at least: {self}")

    def describe(self) -> dict[str, Any]:
        """All that shapes a shard, as JSON values."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        if self.frame_choice == "before_middle":  # as shards from before there was a choice
            del content["frame_choice"]
        return {"format": _FORMAT, **content}

    @classmethod
    def from_description(cls, content: dict[str, Any]) -> Self:
        """Build from what :meth:`describe` returns.

        Raises:
            ValueError: If it is of another format, or a number is out of range.
        """
        values = dict(content)
        if values.pop("format", None) != _FORMAT:
            raise ValueError(f"shards of format {content.get('format')}, this version reads {_FORMAT}")
        try:
            return cls(**values | {"mel": MelConfig(**values["mel"])})
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not the settings of shards ({exc})") from exc

    @property
    def frame_rate(self) -> FrameRate:
        """Rate and choice of the stored frames."""
        return FrameRate.of(self.fps, self.frame_choice)

    @property
    def digest(self) -> str:
        """SHA-256 over :meth:`describe`."""
        return json_digest(self.describe())


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """Tar files in a folder, with a record beside each."""

    folder: Path
    """The folder."""

    @property
    def shards(self) -> Path:
        """The folder of the shards and of a record beside each."""
        return self.folder / "shards"

    def tar(self, name: str) -> Path:
        """The shard of a name."""
        return self.shards / f"{name}.tar"

    def record(self, name: str) -> Path:
        """The record of a shard, written after it: a shard without a record is unfinished."""
        return self.shards / f"{name}.json"


@dataclass(frozen=True, slots=True)
class ShardLayout(ShardFolder):
    """The files of a folder of shards."""

    @property
    def about(self) -> Path:
        """About the shards: settings, labels, digest of the split CSV; totals when they are finished."""
        return self.folder / "shards.json"

    @property
    def index(self) -> Path:
        """A line for each stored clip, in the split CSV's order: byte range, labels, events, digest."""
        return self.folder / "index.jsonl"

    @property
    def ledger(self) -> Path:
        """A line for each row of the split CSV: used, or why it was skipped."""
        return self.folder / "ledger.jsonl"

    def attempts(self, name: str) -> Path:
        """Names the clip that is being read; remains if the process dies."""
        return self.shards / f".{name}.attempt"

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """The layout of a folder of shards, finished or not; None for another folder."""
        layout = cls(folder)
        return layout if layout.about.is_file() else None

    def read_about(self) -> Record | None:
        """What ``shards.json`` holds; None if there is no such file.

        Raises:
            DataError: If the file is damaged, or of something else.
        """
        return read_about(self.about, kind=_KIND, hint="Prepare the clips again.")

    @staticmethod
    def new_about(settings: ShardSettings, more: Record) -> Record:
        """What to write to :attr:`about`, for :meth:`read_about` to read."""
        return {"kind": _KIND, "settings": settings.describe(), **more}
