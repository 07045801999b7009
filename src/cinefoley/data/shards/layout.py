"""How clips are kept in shards, and where the parts of a folder of shards are."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from cinefoley.config.mel import MelConfig
from cinefoley.data.json_lines import Record
from cinefoley.errors import DataError

__all__ = ["ShardLayout", "ShardSettings"]

_KIND = "cinefoley shards"
_FORMAT = 1  # raise when the same settings would give other bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSettings:
    """What is kept of a clip, and which clips are of no use."""

    fps: float = 4.0
    """Pictures per second."""
    short_side: int = 560
    """Pixels of a picture's shorter side at most; smaller ones are kept as they are. The smallest window
    of the paper, 0.4 of each side, then still has the 224 pixels that its model sees."""
    jpeg_quality: int = 90
    """Of the pictures, 1 to 95."""
    duration_s: float = 10.0
    """Seconds that are kept of a clip, from its start."""
    least_s: float = 8.067
    """A clip with less picture is too short: one window of 8.192 s but for half a frame."""
    mute_db: float = -60.0
    """A clip whose peak lies below this, in dB re full scale, is mute."""
    mel: MelConfig = field(default_factory=MelConfig)
    """The mel that is kept beside the sound; its sample rate is the sound's."""
    clips_per_shard: int = 64
    """Rows of the list that go into one shard: what a kill loses, and what processes take turns at."""

    def __post_init__(self) -> None:
        if self.fps <= 0 or self.short_side < 16 or not 1 <= self.jpeg_quality <= 95:
            raise ValueError(f"need fps > 0, 16 pixels or more and a quality of 1 to 95: {self}")
        if not 0 < self.least_s <= self.duration_s:
            raise ValueError(f"need 0 < least_s <= duration_s: {self}")
        if self.clips_per_shard < 1:
            raise ValueError(f"a shard holds one clip at least: {self}")

    def describe(self) -> dict[str, Any]:
        """All that shapes a shard, as JSON holds it."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
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
            raise ValueError(f"no settings of shards ({exc})") from exc

    @property
    def digest(self) -> str:
        """SHA-256 over :meth:`describe`."""
        return hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ShardLayout:
    """Where the parts of a folder of shards are."""

    folder: Path
    """The whole."""

    @property
    def about(self) -> Path:
        """What the shards are: settings, labels, the list they are of; totals once they are finished."""
        return self.folder / "shards.json"

    @property
    def index(self) -> Path:
        """A line for each clip that is kept, in the list's order: where it lies, and all but its pixels."""
        return self.folder / "index.jsonl"

    @property
    def ledger(self) -> Path:
        """A line for each row of the list: used, or why not."""
        return self.folder / "ledger.jsonl"

    @property
    def shards(self) -> Path:
        """The folder of the shards and of a record beside each."""
        return self.folder / "shards"

    def tar(self, name: str) -> Path:
        """The shard of a name."""
        return self.shards / f"{name}.tar"

    def record(self, name: str) -> Path:
        """What is in the shard of a name, written after it: without a record there is no shard."""
        return self.shards / f"{name}.json"

    def attempts(self, name: str) -> Path:
        """Which clip of a shard is being read; left behind by a process that has died."""
        return self.shards / f".{name}.attempt"

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """The layout of a folder of shards, finished or not; None where there is none."""
        layout = cls(folder)
        return layout if layout.about.is_file() else None

    def read_about(self) -> Record | None:
        """What the shards are; None where there are none.

        Raises:
            DataError: If the file is damaged, or of something else.
        """
        if not self.about.exists():
            return None
        try:
            content = json.loads(self.about.read_bytes())
        except (OSError, ValueError) as exc:
            raise DataError(f"{self.about}: cannot be read ({exc}). Prepare the clips again.") from exc
        if not isinstance(content, dict) or content.get("kind") != _KIND:
            raise DataError(f"{self.about}: is not about shards that `cinefoley data prepare` has made.")
        return content

    @staticmethod
    def new_about(settings: ShardSettings, more: Record) -> Record:
        """What :meth:`read_about` reads, to be written to :attr:`about`."""
        return {"kind": _KIND, "settings": settings.describe(), **more}
