"""Score store: small JSON files with the scores of one encoder in one view, keyed by all settings."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cinefoley.data.json_lines import Record, write_json
from cinefoley.errors import OutputError
from cinefoley.evaluation.scores import Score

__all__ = ["EncoderScores", "ScoreStore"]

_FORMAT = 1  # raise when the same settings would give other numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderScores:
    """Scores of one encoder in one view, with all that a table needs."""

    scores: dict[str, Score]
    """By metric, with the resampled numbers that differences between methods are made of."""
    clips: int
    """Clips that were scored."""
    left_out: tuple[Record, ...] = ()
    """Skipped clips: ``id``, ``reason``, ``message``."""
    seconds: float = 0.0
    """Time that generating and measuring the takes took."""
    run: Record = field(default_factory=dict)
    """How the encoder was trained: its ``run.json``, and the last line of its log as ``last``; empty for the
    teacher."""


class ScoreStore:
    """A folder of small JSON files, one per encoder and view, named by the digest of all that decides it.

    A table needs nothing else: takes, weights and caches may be removed, and files from several machines may
    be copied into one folder.

    Args:
        path: Created at the first write; None stores nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self, name: str, key: Record) -> EncoderScores | None:
        """Read the scores under a name and key; None if there are none, or the file is damaged.

        Args:
            name: Of the encoder and the view, for the file name.
            key: All that decides the numbers, ready for JSON.
        """
        path = self._file(name, key)
        if path is None or not path.is_file():
            return None
        try:
            found = json.loads(path.read_bytes())
            return EncoderScores(
                scores={metric: _score(entry) for metric, entry in found["scores"].items()},
                clips=int(found["clips"]),
                left_out=tuple(found["left_out"]),
                seconds=float(found["seconds"]),
                run=dict(found["run"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, name: str, key: Record, scores: EncoderScores) -> None:
        """Store scores, by an atomic write.

        Raises:
            OutputError: If it cannot be written.
        """
        path = self._file(name, key)
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OutputError(f"{path.parent}: cannot be created ({exc.strerror}).") from exc
        entries = asdict(scores) | {
            "decided": key,
            "scores": {metric: _entry(score) for metric, score in scores.scores.items()},
        }
        write_json(path, entries)

    def _file(self, name: str, key: Record) -> Path | None:
        if self._path is None:
            return None
        text = json.dumps([_FORMAT, key], sort_keys=True)
        return self._path / f"{name}.{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


def _entry(score: Score) -> dict[str, Any]:
    """A score for JSON, which knows no NaN; six digits of a resampled number are more than it is worth."""
    replicas = " ".join("-" if math.isnan(value) else f"{value:.6g}" for value in score.replicas)
    return asdict(score) | {"replicas": replicas}


def _score(entry: dict[str, Any]) -> Score:
    replicas = tuple(math.nan if text == "-" else float(text) for text in entry["replicas"].split())
    return Score(**{**entry, "replicas": replicas})
