"""Video files of a split CSV's clips, under the names that downloaders give them."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from cinefoley.data.sources.split_csv import SplitRow
from cinefoley.errors import DataError

__all__ = ["ClipFolder", "candidate_stems"]

_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi")
_ANY_SUFFIXES = {*_SUFFIXES, ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv", ".3gp"}
_CLIP_MS = 10_000  # what VGGSound cuts out of a video


class ClipFolder:
    """File names of one folder, listed once: 15,000 clips are looked up under several names each.

    Args:
        folder: Where the clips are; subfolders are not searched.

    Raises:
        DataError: If it cannot be read.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder)
        try:
            with os.scandir(self.path) as entries:
                self._names = {entry.name for entry in entries}
        except OSError as exc:
            raise DataError(
                f"{self.path}: the clips' folder cannot be read ({exc.strerror}). Name another with --data."
            ) from exc

    def videos(self) -> list[Path]:
        """Every video, sorted by name, without hidden files.

        Raises:
            DataError: If there is none, or two differ in their suffix alone.
        """
        names = sorted(name for name in self._names if not name.startswith("."))
        videos = [self.path / name for name in names if Path(name).suffix.lower() in _ANY_SUFFIXES]
        if not videos:
            raise DataError(
                f"{self.path}: holds no video ({', '.join(sorted(_ANY_SUFFIXES))}). Name a folder that does."
            )
        owners: dict[str, Path] = {}
        for video in videos:
            if owners.setdefault(video.stem, video) != video:
                raise DataError(f"{video} and {owners[video.stem].name} have the same name. Rename one.")
        return videos

    def find(self, row: SplitRow, *, listed: Collection[str] = ()) -> Path | None:
        """The file of a clip: the first name of :func:`candidate_stems` that exists; None if none does.

        Args:
            row: The clip.
            listed: Every id of the split CSV: a file named by another clip's id belongs to that clip.
        """
        for stem in candidate_stems(row):
            if stem != row.id and stem in listed:
                continue
            for suffix in _SUFFIXES:
                if stem + suffix in self._names:
                    return self.path / (stem + suffix)
        return None

    def find_all(self, rows: Iterable[SplitRow], *, listed: Collection[str] = ()) -> dict[str, Path | None]:
        """The file of every clip by its id.

        Args:
            rows: The clips.
            listed: As in :meth:`find`, other splits' ids included.

        Raises:
            DataError: If two clips have the same file.
        """
        found: dict[str, Path | None] = {}
        owners: dict[Path, str] = {}
        for row in rows:
            path = found[row.id] = self.find(row, listed=listed)
            if path is not None and owners.setdefault(path, row.id) != row.id:
                raise DataError(
                    f"{path}: the clips {owners[path]!r} and {row.id!r} both match this file. Rename one."
                )
        return found


def candidate_stems(row: SplitRow) -> list[str]:
    """File names without suffix under which a clip may be stored, the most specific first.

    For a clip that begins at 0, as all do in a split CSV without starts, the id itself comes first.

    Examples:
        >>> candidate_stems(SplitRow(id="abc", start_s=30))
        ['abc_000030', 'abc_30', 'abc_30000_40000', 'abc']
    """
    begin_ms = round(row.start_s * 1000)
    stems = [f"{row.id}_{begin_ms}_{begin_ms + _CLIP_MS}", row.id]
    if begin_ms % 1000 == 0:
        start = begin_ms // 1000
        stems = [f"{row.id}_{start:06d}", f"{row.id}_{start}", *stems]
    return stems if row.start_s else sorted(stems, key=lambda stem: stem != row.id)
