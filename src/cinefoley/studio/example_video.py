"""An example video for the studio: a clip of the Foley stage."""

from pathlib import Path

import torch

from cinefoley.media.muxing.save_video import save_video
from cinefoley.stage.render import render_clip

__all__ = ["write_example_video"]

_FPS = 25


def write_example_video(path: Path) -> None:
    """Write four seconds of a hammer, silent, at 25 frames per second.

    Raises:
        OutputError: If the file cannot be written.
    """
    clip = render_clip(7, split="test", fps=_FPS, size=(180, 320), duration_s=4.0, kind="hammer")
    save_video(path, torch.from_numpy(clip.frames).permute(0, 3, 1, 2), _FPS)
