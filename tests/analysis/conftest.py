import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cinefoley.models.video_encoder import VideoEncoder


@pytest.fixture(scope="session")
def whole_model(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, add_audio_encoder: Callable[[Path], None]
) -> Path:
    """The tiny model with an audio tower and a student unlike its teacher. Not to be written to."""
    folder = tmp_path_factory.mktemp("models") / "whole"
    shutil.copytree(tiny_model, folder)
    add_audio_encoder(folder)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        student = VideoEncoder.from_pretrained(tiny_model / "video_encoder")
        for weight in student.parameters():
            weight.mul_(1 + 0.1 * torch.randn_like(weight))
        student.save_pretrained(folder / "video_encoder_student")
    return folder
