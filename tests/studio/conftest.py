from pathlib import Path

import pytest
import torch

from cinefoley.media.muxing.save_video import save_video
from cinefoley.stage.render import render_clip


@pytest.fixture(scope="session")
def two_shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two shots, 1.5 s each. Not to be written to."""
    clips = [render_clip(seed, split="test", fps=12, size=(72, 128), duration_s=1.5) for seed in (0, 3)]
    path = tmp_path_factory.mktemp("films") / "two shots.mp4"
    save_video(path, torch.cat([torch.from_numpy(clip.frames) for clip in clips]).permute(0, 3, 1, 2), 12)
    return path
