"""Read the categories of clips from a CSV file."""

import csv
from pathlib import Path

from cinefoley.data.sources.clip_lookup import candidate_stems
from cinefoley.data.sources.split_csv import is_split_csv, read_split
from cinefoley.errors import CinefoleyError

__all__ = ["read_labels", "stem_of_clip"]

_HEADS = {"clip", "name", "file", "id", "video"}


def read_labels(path: Path) -> dict[str, str]:
    """Read a CSV whose first column names a clip, or its file, and whose second is its category.

    A first line that begins with ``clip``, ``name``, ``file``, ``id`` or ``video`` is a header. What
    :func:`~cinefoley.data.sources.split_csv.is_split_csv` takes for one, in VGGSound's four columns or with a
    header that names ``id`` and ``label``, is read as one, and files are known by any name that its clips may
    have, unless that is another clip's id.

    Returns:
        Category by clip.

    Raises:
        CinefoleyError: If the file cannot be read, a line has fewer than two columns, or a clip has two
            categories; names the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise CinefoleyError(
            f"{path}: cannot be read ({exc}). Expected a CSV of clips and categories."
        ) from exc
    if lines and is_split_csv(lines[0][1]):
        rows = read_split(path)
        names = {stem: row.label for row in rows for stem in candidate_stems(row)}
        return names | {stem_of_clip(row.id): row.label for row in rows}
    labels: dict[str, str] = {}
    for number, row in lines[_has_head(lines) :]:
        if len(row) < 2:
            raise CinefoleyError(f"{path}, line {number}: expected a clip and its category, got {row}.")
        name, label = stem_of_clip(row[0].strip()), row[1].strip()
        if labels.setdefault(name, label) != label:
            raise CinefoleyError(f"{path}, line {number}: {name} is {label} here and {labels[name]} above.")
    return labels


def _has_head(lines: list[tuple[int, list[str]]]) -> bool:
    return bool(lines) and lines[0][1][0].strip().lower() in _HEADS


def stem_of_clip(name: str) -> str:
    """``dog.wav`` to ``dog``; names of clips may hold dots themselves."""
    suffix = Path(name).suffix.lower()
    return Path(name).stem if suffix in {".wav", ".flac", ".mp3", ".mp4", ".mkv", ".mov", ".webm"} else name
