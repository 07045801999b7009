"""Summary of shards: totals from index and ledger, without decoding; and a check of digests."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cinefoley.data.shards.layout import ShardLayout
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.shards.writer import read_record
from cinefoley.errors import DataError

__all__ = ["ShardSummary", "check_shards", "summarize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSummary:
    """Totals of a folder of shards."""

    num_rows: int
    """Rows of the split CSV."""
    outcomes: dict[str, int]
    """Rows by outcome, the most frequent first: ``used``, ``missing``, ..."""
    splits: dict[str, int]
    """Clips by split."""
    labels: dict[str, int]
    """Clips by first label, the most frequent first; labels without clips have 0."""
    num_shards: int
    """Shards that hold a clip."""
    num_bytes: int
    """Bytes of all shards."""
    durations_s: tuple[float, ...]
    """Seconds of video of every clip, in the index's order."""
    sizes: dict[str, int]
    """Clips by width and height of their frames, the most frequent first."""

    @property
    def num_clips(self) -> int:
        """Clips that are stored."""
        return len(self.durations_s)

    @property
    def hours(self) -> float:
        """Hours of video."""
        return sum(self.durations_s) / 3600

    @property
    def bytes_per_clip(self) -> float:
        """Size of a clip in its shard, on average."""
        return self.num_bytes / max(1, self.num_clips)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Name and value of each total, for printing."""
        yield "rows of the split CSV", f"{self.num_rows:,}"
        for outcome, count in self.outcomes.items():
            yield f"  {outcome}", f"{count:,} ({count / max(1, self.num_rows):.1%})"
        for split, count in self.splits.items():
            yield f"clips of {split or '(no split)'}", f"{count:,}"
        yield "shards", f"{self.num_shards:,}, {self.num_bytes / 1e6:,.1f} MB"
        yield "size of a clip", f"{self.bytes_per_clip / 1e3:,.0f} kB"
        low, middle, high = np.quantile(self.durations_s or [0.0], [0, 0.5, 1]).tolist()
        yield "hours of video", f"{self.hours:.2f}"
        yield "seconds per clip", f"{low:.2f} to {high:.2f}, median {middle:.2f}"
        heard = sum(count > 0 for count in self.labels.values())
        yield "labels", f"{heard} of {len(self.labels)} have a clip"
        sizes = [f"{count:,} of {size}" for size, count in list(self.sizes.items())[:4]]
        yield "frame sizes", ", ".join(sizes)

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values; durations as quantiles."""
        quantiles = np.quantile(self.durations_s or [0.0], [0, 0.05, 0.5, 0.95, 1]).tolist()
        return {
            "num_rows": self.num_rows,
            "outcomes": self.outcomes,
            "num_clips": self.num_clips,
            "splits": self.splits,
            "labels": self.labels,
            "num_shards": self.num_shards,
            "num_bytes": self.num_bytes,
            "bytes_per_clip": self.bytes_per_clip,
            "hours": self.hours,
            "duration_quantiles_s": dict(zip(("0", "0.05", "0.5", "0.95", "1"), quantiles, strict=True)),
            "sizes": self.sizes,
        }


def summarize(folder: Path) -> ShardSummary:
    """Summarize a finished folder of shards.

    Raises:
        DataError: If there are no shards, or they are unfinished or damaged.
    """
    source = ShardSource(folder)
    layout = ShardLayout(folder)
    about = layout.read_about() or {}
    labels = Counter(dict.fromkeys(source.label_names, 0))
    labels.update(entry.labels[0] for entry in source.rows if entry.labels)
    sizes = Counter(f"{entry.size[1]}x{entry.size[0]}" for entry in source.rows)
    outcomes = _count_outcomes(layout)
    return ShardSummary(
        num_rows=outcomes.total(),
        outcomes=dict(outcomes.most_common()),
        splits=dict(sorted(Counter(entry.split for entry in source.rows).items())),
        labels=dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
        num_shards=int(about.get("num_shards", 0)),
        num_bytes=int(about.get("num_bytes", 0)),
        durations_s=tuple(entry.duration_s for entry in source.rows),
        sizes=dict(sizes.most_common()),
    )


def check_shards(folder: Path) -> int:
    """Read every shard, and compare it with the digest of its record.

    Returns:
        Number of shards that were read.

    Raises:
        DataError: If one is missing or has changed; names it.
    """
    layout = ShardLayout(folder)
    count = 0
    for path in sorted(layout.shards.glob("*.json")):
        record = read_record(layout, path.stem)
        if record is None:
            raise DataError(
                f"{layout.tar(path.stem)}: is missing, or its size has changed. Prepare it again."
            )
        if record["tar"] is None:
            continue
        with layout.tar(path.stem).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != record["tar"]["sha256"]:
            raise DataError(
                f"{layout.tar(path.stem)}: has changed since it was made. Remove {path.name} beside it and "
                "prepare the clips again."
            )
        count += 1
    return count


def _count_outcomes(layout: ShardLayout) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    try:
        with layout.ledger.open("rb") as file:
            for line in file:
                outcomes[json.loads(line)["outcome"]] += 1
    except (OSError, ValueError, KeyError) as exc:
        raise DataError(f"{layout.ledger}: cannot be read ({exc}). Prepare the clips again.") from exc
    return outcomes
