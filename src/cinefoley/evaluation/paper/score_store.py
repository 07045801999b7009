"""Scores of one encoder on one view, kept after its takes and its weights are gone."""

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
    """What a table needs to know of one encoder on one view."""

    scores: dict[str, Score]
    """By metric, with the resampled numbers that differences between methods are made of."""
    clips: int
    """Clips that were scored."""
    left_out: tuple[Record, ...] = ()
    """Clips that were not: ``id``, ``reason``, ``message``."""
    seconds: float = 0.0
    """Time that making and judging the takes took."""
    run: Record = field(default_factory=dict)
    """How the encoder was trained: its ``run.json``, and the last line of its log as ``last``; empty for the
    teacher."""


class ScoreStore:
    """A folder of small JSON files, one per encoder and view, each named by all that decides its numbers.

    They are all that a table is made of: takes, weights and caches may be removed, and files that other
    machines have made may be copied beside one another.

    Args:
        path: Made when it is first written to; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self, name: str, decided: Record) -> EncoderScores | None:
        """What was kept under a name for the same settings; None if nothing was, or the file is damaged.

        Args:
            name: Of the encoder and the view, for people.
            decided: All that decides the numbers, ready for JSON.
        """
        path = self._file(name, decided)
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

    def write(self, name: str, decided: Record, kept: EncoderScores) -> None:
        """Keep scores; the file appears whole or not at all.

        Raises:
            OutputError: If it cannot be written.
        """
        path = self._file(name, decided)
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OutputError(f"{path.parent}: cannot be made ({exc.strerror}).") from exc
        entries = asdict(kept) | {
            "decided": decided,
            "scores": {metric: _entry(score) for metric, score in kept.scores.items()},
        }
        write_json(path, entries)

    def _file(self, name: str, decided: Record) -> Path | None:
        if self._path is None:
            return None
        key = json.dumps([_FORMAT, decided], sort_keys=True)
        return self._path / f"{name}.{hashlib.sha256(key.encode()).hexdigest()[:12]}.json"


def _entry(score: Score) -> dict[str, Any]:
    """A score for JSON, which knows no NaN; six digits of a resampled number are more than it is worth."""
    replicas = " ".join("-" if math.isnan(value) else f"{value:.6g}" for value in score.replicas)
    return asdict(score) | {"replicas": replicas}


def _score(entry: dict[str, Any]) -> Score:
    replicas = tuple(math.nan if text == "-" else float(text) for text in entry["replicas"].split())
    return Score(**{**entry, "replicas": replicas})
