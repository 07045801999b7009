"""Categories of clips."""

import csv
from pathlib import Path

from cinefoley.data.clip_files import candidate_stems
from cinefoley.data.split_csv import read_split
from cinefoley.errors import CinefoleyError

__all__ = ["read_labels"]

_HEADS = {"clip", "name", "file", "id", "video"}


def read_labels(path: Path) -> dict[str, str]:
    """Read a CSV whose first column names a clip, or its file, and whose second is its category.

    A first line that begins with ``clip``, ``name``, ``file``, ``id`` or ``video`` is a head. A file of four
    columns is a list of clips in VGGSound's form (id, start, label, split), as ``cinefoley stage export``
    writes it, and files are known by any name that its clips may have.

    Returns:
        Category by clip.

    Raises:
        CinefoleyError: If the file cannot be read, or a line has fewer than two columns; names the line.
    """
    labels: dict[str, str] = {}
    try:
        with path.open(newline="") as file:
            if len(next(csv.reader(file), ())) == 4:
                return {stem: row.label for row in read_split(path) for stem in candidate_stems(row)}
            file.seek(0)
            for number, row in enumerate(csv.reader(file), start=1):
                if not row or (number == 1 and row[0].strip().lower() in _HEADS):
                    continue
                if len(row) < 2:
                    raise CinefoleyError(
                        f"{path}, line {number}: expected a clip and its category, got {row}."
                    )
                labels[_stem(row[0].strip())] = row[1].strip()
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise CinefoleyError(
            f"{path}: cannot be read ({exc}). Expected a CSV of clips and categories."
        ) from exc
    return labels


def _stem(name: str) -> str:
    """``dog.wav`` to ``dog``; names of clips may hold dots themselves."""
    suffix = Path(name).suffix.lower()
    return Path(name).stem if suffix in {".wav", ".flac", ".mp3", ".mp4", ".mkv", ".mov", ".webm"} else name
