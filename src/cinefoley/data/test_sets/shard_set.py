"""Test sets (VGG-CU, VGG-CM) from WebDataset shards, without extracting them first."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from cinefoley.data.cache.extracted_shards import write_shard_video
from cinefoley.data.json_lines import Record
from cinefoley.data.shards.source import ShardClip, ShardSource
from cinefoley.data.sources.clip_source import ClipFault
from cinefoley.data.sources.split_csv import SplitRow
from cinefoley.data.test_sets.builder import build_set
from cinefoley.data.test_sets.test_set import VariedSet
from cinefoley.errors import MediaError
from cinefoley.media.frames.crop import FrameChange
from cinefoley.media.frames.jpeg import decode_jpeg
from cinefoley.media.muxing.crop_video import crop_video
from cinefoley.media.sections import as_fraction
from cinefoley.variations.variation import Variation
from cinefoley.variations.window import Box, Window

__all__ = ["build_shard_set"]


def build_shard_set(
    source: ShardSource,
    out: str | os.PathLike[str],
    variation: Variation,
    *,
    seed: int = 0,
    jobs: int = 1,
    is_view: bool = False,
    on_clip: Callable[[int, int, str], None] | None = None,
) -> VariedSet:
    """Build a test set from shards, as :func:`~cinefoley.data.test_sets.video_set.build_test_set` does.

    Windows are those of a set that is built from the original videos with the same seed. Its videos have the
    frame rate of the shards, and their audio without loss.

    Args:
        source: The clips.
        out: Folder of the set; made if it is missing.
        variation: What to show.
        seed: The set's seed.
        jobs: Worker processes.
        is_view: Whether to record the windows only, and write no videos.
        on_clip: Called with finished clips, all clips, and an id, after each clip.

    Returns:
        The finished set.

    Raises:
        DataError: If ``out`` holds another set, or workers keep dying.
        MediaError: If a shard is missing or damaged.
        OutputError: If ``out`` cannot be written.
        ValueError: If ``jobs`` is 0.

    Examples:
        >>> build_shard_set(ShardSource("shards", split="test"), "vgg-cu", CloseUp())  # doctest: +SKIP
    """
    clips = sorted(map(source.__getitem__, range(len(source))), key=lambda clip: clip.id)
    return build_set(
        [_ShardSetClip(row=_row(clip), clip=clip) for clip in clips],
        out,
        variation,
        folder=source.folder,
        seed=seed,
        jobs=jobs,
        is_view=is_view,
        more_settings={"are_shards": True},
        on_clip=on_clip,
    )


def _row(clip: ShardClip) -> SplitRow:
    label = clip.labels[0] if clip.labels else ""
    return SplitRow(id=clip.id, start_s=float(clip.about()["start_s"]), label=label, split=clip.entry.split)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShardSetClip:
    """A clip in a shard; see :class:`~cinefoley.data.test_sets.builder.SetClip`."""

    row: SplitRow
    clip: ShardClip

    def find_fault(self) -> ClipFault | None:
        return None  # faults of videos were found when the shards were made

    def identity(self) -> Record:
        about = self.clip.about()
        digests = {"source_sha256": about["source_sha256"], "clip_sha256": self.clip.entry.digest}
        return {"source": about["source"], **digests}

    def draw(self, variation: Variation, generator: torch.Generator) -> Window:
        """On even pixels, because videos share colour among 2x2."""
        size, count = self.clip.frame_size(), self.clip.entry.num_frames
        if min(size) < 2:
            raise MediaError(f"{self.row.id}: {size[1]}x{size[0]} pixels hold no window; 2x2 are the least.")
        window = variation.draw(size, generator=generator).on(size, multiple=2)
        what, last_s = window.kind.replace("_", " "), self.clip.last_s
        if window.is_moving and count < 2:
            raise MediaError(f"{self.row.id}: holds one frame only; a {what} needs two at least.")
        if last_s < variation.least_s:
            raise MediaError(f"{self.row.id}: lasts {last_s:.2f} s; a {what} needs {variation.least_s:g} s.")
        return window.lasting(last_s)

    def write(self, window: Window, folder: Path) -> Path:
        """Crop a temporary video of the whole clip, because cropping keeps the colour planes as they are."""
        clip = self.clip
        video = folder / f"{Path(clip.about()['source']).stem}.mkv"
        for jpeg in clip.jpegs():
            decode_jpeg(jpeg, name=clip.id)  # the video reader would skip a damaged one without an error
        last = clip.entry.num_frames - 1

        def number(time: Fraction) -> int:
            return min(last, round(time * as_fraction(clip.fps)))

        box_of, change = clip.follow(window), clip.show_through(window)

        def crop(time: Fraction, size: tuple[int, int]) -> Box:
            return box_of(number(time), size)

        shown = crop if window.is_crop else FrameChange(lambda time, pixels: change(number(time), pixels))
        with TemporaryDirectory() as temporary:
            whole = Path(temporary) / "clip.mkv"
            write_shard_video(clip, whole)
            crop_video(whole, video, shown)
        return video
