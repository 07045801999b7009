"""A list of clips, and the clips."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

SIZES = {"ant": (48, 64), "bee": (64, 48), "cat": (40, 72)}


@dataclass(frozen=True)
class Listed:
    """A list of four clips, of which one is missing and one is no film."""

    csv: Path
    clips: Path


@pytest.fixture(scope="session")
def some_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips with sound, under three schemes of names. Not to be written to."""
    from cinefoley.media.muxing.save_video import save_video
    from cinefoley.stage.render import render_clip

    folder = tmp_path_factory.mktemp("clips")
    for seed, (name, stem) in enumerate(
        {"ant": "ant_000001", "bee": "bee_20000_30000", "cat": "cat"}.items()
    ):
        clip = render_clip(seed, split="test", fps=10, size=SIZES[name], duration_s=1.5)
        frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
        save_video(folder / f"{stem}.mp4", frames, 10, waveform=clip.waveform, sample_rate=16000)
    (folder / "dud.mp4").write_text("no film")
    return folder


@pytest.fixture
def listed(tmp_path: Path, some_clips: Path) -> Listed:
    csv = tmp_path / "split.csv"
    csv.write_text(
        "cat,3,cat purring,test\nant,1,ants walking,test\ngone,9,nothing,test\n"
        "bee,20,bee buzzing,test\ndud,0,nothing,test\nother,0,something,train\n"
    )
    return Listed(csv, some_clips)
