"""Split CSV: clips with starts, labels and splits, in VGGSound's four columns or with a header."""

import csv
import difflib
import math
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinefoley.errors import DataError

__all__ = ["SplitRow", "is_split_csv", "read_split"]

_COLUMNS = ("id", "start", "label", "split")
_NAMES = {
    "id": {"id", "youtube id", "youtube_id", "ytid", "video_id", "clip_id"},
    "start": {"start", "start seconds", "start_seconds", "start_s", "start_time"},
    "label": {"label", "labels", "category", "class"},
    "split": {"split", "set", "train/test split"},
}
_FORBIDDEN = set('/\\\0:*?"<>|')


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRow:
    """One clip of a split CSV."""

    id: str
    """Name of the clip: in VGGSound, YouTube's id."""
    start_s: float = 0.0
    """Where the clip begins in the video it was cut from, in seconds."""
    label: str = ""
    """What makes sound."""
    split: str = ""
    """The part of the dataset, such as ``test``."""


def read_split(
    path: str | os.PathLike[str], *, split: str | None = None, label_names: Collection[str] | None = None
) -> list[SplitRow]:
    """Read a split CSV.

    Args:
        path: A CSV. Without a header it has VGGSound's columns: id, start in seconds, label, split. A header
            may name any of them, in any order; ``id`` must be there.
        split: Return only rows of this split; None returns all.
        label_names: The labels that rows may have; None allows any.

    Returns:
        The rows in the file's order; each id once.

    Raises:
        DataError: If the file cannot be read, a column or label is unknown, a row has other columns or an id
            that cannot be a file name, an id occurs twice, or no row is left.

    Examples:
        >>> read_split("vggsound.csv", split="test")[0].id  # doctest: +SKIP
        '--0PQM4-hqg'
    """
    name = Path(path).name
    lines = _read_lines(Path(path))
    if not lines:
        raise DataError(f"{name}: is empty; expected one clip per line: id,start,label,split.")
    columns = _columns_of(lines[0][1], f"{name}, line {lines[0][0]}")
    rows = list(_parse(lines[1:] if columns else lines, columns or _COLUMNS, name))
    _check_ids(rows, name)
    _check_labels(rows, name, label_names)
    _check_splits(rows, name)
    kept = [row for _, row in rows if split is None or row.split == split]
    if not kept:
        found = ", ".join(sorted({row.split or "(none)" for _, row in rows})) or "no row at all"
        wanted = "a clip" if split is None else f"a clip of the split {split!r}"
        raise DataError(f"{name}: no row names {wanted} (found {found}).")
    return kept


def is_split_csv(cells: Sequence[str]) -> bool:
    """Whether a CSV with this first row is a split CSV with labels, by its header or its four columns."""
    titles = {cell.strip().lower().lstrip("# ") for cell in cells}
    has_header = all(titles & _NAMES[name] for name in ("id", "label")) and titles <= set().union(
        *_NAMES.values()
    )
    return has_header or len(cells) == len(_COLUMNS)


def _read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except OSError as exc:
        raise DataError(f"{path}: cannot be read ({exc.strerror}).") from exc
    except (UnicodeDecodeError, csv.Error) as exc:
        raise DataError(
            f"{path.name}: is not a CSV of clips ({exc}). Expected UTF-8 text, one clip per line: "
            "id,start,label,split."
        ) from exc


def _columns_of(cells: Sequence[str], where: str) -> tuple[str, ...] | None:
    """Names of a header's columns; None if the first row is not a header."""
    known = {alias: column for column, aliases in _NAMES.items() for alias in aliases}
    titles = [cell.strip().lower().lstrip("# ") for cell in cells]
    if not any(title in known for title in titles):
        return None
    unknown = [title for title in titles if title not in known]
    columns = tuple(known.get(title, "") for title in titles)
    if unknown:
        raise DataError(
            f"{where}: unknown column{'s' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown))}. "
            f"A header may name {', '.join(_COLUMNS)}; remove the others."
        )
    if "id" not in columns or len(set(columns)) < len(columns):
        raise DataError(f"{where}: its header must name id, and each column once; found {', '.join(titles)}.")
    return columns


def _parse(
    lines: Sequence[tuple[int, list[str]]], columns: Sequence[str], name: str
) -> Iterator[tuple[int, SplitRow]]:
    for number, cells in lines:
        if len(cells) != len(columns):
            raise DataError(
                f"{name}, line {number}: {len(cells)} columns where {len(columns)} are expected "
                f"({','.join(columns)}). A file with other columns needs a header."
            )
        values = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
        _check_is_file_name(values["id"], f"{name}, line {number}")
        start = _seconds(values.get("start", "0"), f"{name}, line {number}")
        yield (
            number,
            SplitRow(
                id=values["id"],
                start_s=start,
                label=values.get("label", ""),
                split=values.get("split", ""),
            ),
        )


def _check_is_file_name(text: str, where: str) -> None:
    if not text or text.startswith(".") or _FORBIDDEN & set(text) or not text.isprintable():
        raise DataError(f"{where}: {text!r} is not a valid id; it must be usable as a file name.")


def _seconds(text: str, where: str) -> float:
    try:
        start = float(text)
    except ValueError:
        start = math.nan
    if not (math.isfinite(start) and start >= 0):
        raise DataError(f"{where}: the start must be seconds, 0 or more, got {text!r}.")
    return start


def _check_ids(rows: Sequence[tuple[int, SplitRow]], name: str) -> None:
    seen: dict[str, int] = {}
    for number, row in rows:
        if row.id in seen:
            raise DataError(
                f"{name}: the id {row.id!r} is in line {seen[row.id]} and again in line {number}. "
                "The window of a clip depends on its id alone, so ids must be unique."
            )
        seen[row.id] = number


def _check_labels(
    rows: Sequence[tuple[int, SplitRow]], name: str, label_names: Collection[str] | None
) -> None:
    if label_names is None:
        return
    known = set(label_names)
    for number, row in rows:
        if row.label and row.label not in known:
            near = difflib.get_close_matches(row.label, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise DataError(
                f"{name}, line {number}: unknown label {row.label!r}. Expected one of the {len(known)} "
                f"labels that were given, such as {min(known, default='')!r}{hint}"
            )


def _check_splits(rows: Sequence[tuple[int, SplitRow]], name: str) -> None:
    """Two spellings of one split would silently skip clips."""
    spellings: dict[str, tuple[int, str]] = {}
    for number, row in rows:
        line, spelling = spellings.setdefault(row.split.casefold(), (number, row.split))
        if spelling != row.split:
            raise DataError(
                f"{name}: the split is {spelling!r} in line {line} and {row.split!r} in line {number}. "
                "Use one spelling."
            )
