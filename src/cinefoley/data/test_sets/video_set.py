"""Test sets (VGG-CU, VGG-CM) from a split CSV and a folder of videos."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from cinefoley.data.events.event_file import event_file_beside
from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_lookup import ClipFolder, candidate_stems
from cinefoley.data.sources.clip_source import ClipFault
from cinefoley.data.sources.file_digests import file_sha256
from cinefoley.data.sources.split_csv import SplitRow, read_split
from cinefoley.data.test_sets.builder import build_set
from cinefoley.data.test_sets.test_set import VariedSet
from cinefoley.errors import DataError
from cinefoley.media.muxing.crop_video import cropped_video_suffix
from cinefoley.variations.variation import Variation
from cinefoley.variations.videos import draw_for_video, vary_video
from cinefoley.variations.window import Window

__all__ = ["build_test_set"]


def build_test_set(
    split_csv: str | os.PathLike[str],
    out: str | os.PathLike[str],
    variation: Variation,
    *,
    clips: str | os.PathLike[str] | None = None,
    split: str | None = None,
    seed: int = 0,
    jobs: int = 1,
    is_view: bool = False,
    on_clip: Callable[[int, int, str], None] | None = None,
) -> VariedSet:
    """Show every clip of a split CSV with one variation, as videos or as a view.

    :func:`~cinefoley.data.test_sets.builder.build_set` describes seeds, resuming and the ledger. If there is
    an event file beside the split CSV (``test.events.jsonl`` beside ``test.csv``, as ``cinefoley stage
    export`` writes it), the set gets ``events.jsonl``: what each window shows of the events.

    Args:
        split_csv: VGGSound's CSV, or another that :func:`read_split` reads.
        out: The set's folder; made if it is missing.
        variation: What to show.
        clips: Folder of the clips; None uses the folder of the split CSV.
        split: Use only rows of this split.
        seed: The set's seed.
        jobs: Worker processes; each encodes with one thread.
        is_view: Whether to record the windows only, and write no videos.
        on_clip: Called with finished clips, all clips, and an id, after each clip.

    Returns:
        The finished set.

    Raises:
        DataError: If the split CSV or the clips' folder cannot be used, ``out`` holds another set, or
            workers keep dying.
        OutputError: If ``out`` cannot be written.
        ValueError: If ``jobs`` is 0.

    Examples:
        >>> build_test_set("vggsound.csv", "vgg-cu", CloseUp(), split="test", jobs=8)  # doctest: +SKIP
    """
    folder = Path(split_csv).parent if clips is None else Path(clips)
    rows = sorted(read_split(split_csv, split=split), key=lambda row: row.id)
    listed = {row.id for row in read_split(split_csv)}
    files = ClipFolder(folder).find_all(rows, listed=listed)
    if not any(files.values()):
        raise DataError(
            f"{folder}: holds none of the {len(rows)} clips of {Path(split_csv).name} (looked for names such "
            f"as {candidate_stems(rows[0])[0]}.mp4). Name the clips' folder with --data."
        )
    return build_set(
        [_VideoClip(row=row, path=files[row.id]) for row in rows],
        out,
        variation,
        folder=folder,
        seed=seed,
        jobs=jobs,
        is_view=is_view,
        more_settings={},
        event_file=event_file_beside(Path(split_csv)),
        on_clip=on_clip,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _VideoClip:
    """A clip that is a video file; see :class:`~cinefoley.data.test_sets.builder.SetClip`."""

    row: SplitRow
    path: Path | None

    def find_fault(self) -> ClipFault | None:
        if self.path is not None:
            return None
        names = " or ".join(candidate_stems(self.row))
        return ClipFault(reason="missing", message=f"no file named {names} is there")

    def identity(self) -> Record:
        return {"source": self._file.name, "source_sha256": file_sha256(self._file)}

    def draw(self, variation: Variation, generator: torch.Generator) -> Window:
        return draw_for_video(variation, self._file, generator=generator)

    def write(self, window: Window, folder: Path) -> Path:
        video = folder / (self._file.stem + cropped_video_suffix(self._file))
        vary_video(self._file, video, window)
        return video

    @property
    def _file(self) -> Path:
        assert self.path is not None  # a missing file is a fault
        return self.path
