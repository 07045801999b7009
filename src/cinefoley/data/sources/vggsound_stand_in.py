"""VGGSound stand-in: stage clips in its layout, with every fault that downloads have."""

import csv
import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from cinefoley.data.sources.clip_reader import find_mute, find_still
from cinefoley.data.sources.clip_source import FaultReason
from cinefoley.data.sources.split_csv import SplitRow
from cinefoley.media.audio.files import write_audio
from cinefoley.media.muxing.save_video import save_video
from cinefoley.stage.clip import StageClip
from cinefoley.stage.render import render_clip

__all__ = ["StandIn", "make_stand_in"]

_SOURCES = "films"
_FAULTS: tuple[FaultReason, ...] = (
    "missing",
    "unreadable",
    "no picture",
    "no sound",
    "mute",
    "still",
    "too short",
)
_TEST_EVERY = 12  # VGGSound has about one test clip for twelve training clips
_RATE = 16000
_LEAST_DB = -30.0  # well above the limit, so that encoding makes no clip mute


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """The files, and the outcomes that a ledger must report."""

    csv: Path
    """VGGSound's four columns, without a header."""
    clips: Path
    """The folder of the videos."""
    outcomes: dict[str, str]
    """``used`` or the reason by id, in the split CSV's order."""

    @property
    def totals(self) -> dict[str, int]:
        """Rows by outcome."""
        return dict(Counter(self.outcomes.values()))


def make_stand_in(
    folder: Path,
    num_rows: int,
    *,
    faulty_share: float = 0.12,
    num_distinct: int = 8,
    size: tuple[int, int] = (360, 640),
    fps: float = 25.0,
    duration_s: float = 10.0,
    seed: int = 0,
) -> StandIn:
    """Write a split CSV in VGGSound's form and the videos of its rows, some of them faulty.

    Few videos are rendered, and each has many names (hard links), so a split CSV of 10,000 rows costs
    no more than its directory. Faults are spread evenly, every kind as often as the others.

    Args:
        folder: Made; must be empty or missing.
        num_rows: Rows of the split CSV.
        faulty_share: How many of them are faulty, in [0, 1].
        num_distinct: Good videos that differ.
        size: Height and width of the frames.
        fps: Frames per second.
        duration_s: Seconds of a video; those that are too short have a quarter of it.
        seed: Of the first video, and of the ids.

    Raises:
        ValueError: If a number is out of range.

    Examples:
        >>> make_stand_in(Path("vggsound"), 100).totals["mute"]  # doctest: +SKIP
        2
    """
    if num_rows < 1 or num_distinct < 1 or not 0 <= faulty_share <= 1:
        raise ValueError(
            f"need a row, a video and a share in [0, 1]; got {num_rows}, {num_distinct}, {faulty_share}"
        )
    sources, clips = folder / _SOURCES, folder / "clips"
    sources.mkdir(parents=True)
    clips.mkdir()
    labels = []
    for number, clip in enumerate(_good_clips(seed, num_distinct, fps, size, duration_s)):
        labels.append(clip.sources[0].kind)
        _save(sources / f"used-{number}.mp4", clip)
    _make_faulty(sources, clip)
    rows: list[SplitRow] = []
    outcomes: dict[str, str] = {}
    num_faulty = round(num_rows * faulty_share)
    for number in range(num_rows):
        # Bresenham's rule: the faulty rows lie as evenly among the others as whole numbers let them
        index = (number + 1) * num_faulty // num_rows
        is_faulty = index > number * num_faulty // num_rows
        outcome = _FAULTS[index % len(_FAULTS)] if is_faulty else "used"
        split = "test" if number % _TEST_EVERY == 0 else "train"
        row = SplitRow(
            id=_youtube_id(seed, number),
            start_s=number % 300,
            label=labels[number % num_distinct],
            split=split,
        )
        rows.append(row)
        outcomes[row.id] = outcome
        if outcome != "missing":
            source = f"{outcome}-{number % num_distinct}.mp4" if outcome == "used" else f"{outcome}.mp4"
            (clips / _file_name(row, number)).hardlink_to(sources / source)
    shutil.rmtree(sources)
    return StandIn(csv=_write_list(folder / "vggsound.csv", rows), clips=clips, outcomes=outcomes)


def _good_clips(
    seed: int, count: int, fps: float, size: tuple[int, int], duration_s: float
) -> Iterator[StageClip]:
    """Clips with sound and movement: the stage has others too."""
    found = 0
    while found < count:
        clip = render_clip(seed, fps=fps, size=size, duration_s=duration_s)
        frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
        seed += 1
        is_mute = find_mute("", torch.from_numpy(clip.waveform), _LEAST_DB)
        if is_mute is None and find_still("", frames) is None:
            found += 1
            yield clip


def _make_faulty(folder: Path, clip: StageClip) -> None:
    """One video of each fault, made from a good one."""
    count = len(clip.frames)
    good = folder / "used-0.mp4"
    (folder / "unreadable.mp4").write_bytes(good.read_bytes()[: good.stat().st_size // 3])
    write_audio(folder / "sound.wav", torch.from_numpy(clip.waveform), _RATE)
    (folder / "sound.wav").rename(folder / "no picture.mp4")
    _save(folder / "no sound.mp4", clip, is_heard=False)
    _save(folder / "mute.mp4", clip, level=0.0)
    _save(folder / "still.mp4", clip, select=lambda frames: frames[:1].expand(count, -1, -1, -1))
    _save(folder / "too short.mp4", clip, select=lambda frames: frames[: max(2, count // 4)])


def _save(
    path: Path,
    clip: StageClip,
    *,
    is_heard: bool = True,
    level: float = 1.0,
    select: Callable[[torch.Tensor], torch.Tensor] = lambda frames: frames,
) -> None:
    frames = select(torch.from_numpy(clip.frames).permute(0, 3, 1, 2))
    waveform = torch.from_numpy(clip.waveform) * level if is_heard else None
    save_video(path, frames, clip.fps, waveform=waveform, sample_rate=clip.sample_rate)


def _youtube_id(seed: int, number: int) -> str:
    """Eleven letters and digits, as YouTube's ids have."""
    return hashlib.sha256(f"{seed}/{number}".encode()).hexdigest()[:11]


def _file_name(row: SplitRow, number: int) -> str:
    """Under the names of three mirrors in turn."""
    start = round(row.start_s)
    stems = (f"{row.id}_{start:06d}", f"{row.id}_{start}", f"{row.id}_{start * 1000}_{start * 1000 + 10_000}")
    return f"{stems[number % len(stems)]}.mp4"


def _write_list(path: Path, rows: list[SplitRow]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([row.id, f"{row.start_s:g}", row.label, row.split] for row in rows)
    return path
