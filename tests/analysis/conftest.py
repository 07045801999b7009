import shutil
from pathlib import Path

import pytest
import torch

from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.video_encoder import VideoEncoder


@pytest.fixture(scope="session")
def whole_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with an audio tower and a student unlike its teacher. Not to be written to."""
    folder = tmp_path_factory.mktemp("models") / "whole"
    shutil.copytree(tiny_model, folder)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        AudioEncoder(
            n_mels=64,
            channels=(4, 4, 8, 8, 8),
            time_pools=(2, 2, 2, 2, 1),
            band_pools=(2, 2, 2, 2, 2),
            feature_dim=16,
        ).save_pretrained(folder / "audio_encoder")
        student = VideoEncoder.from_pretrained(tiny_model / "video_encoder")
        for weight in student.parameters():
            weight.mul_(1 + 0.1 * torch.randn_like(weight))
        student.save_pretrained(folder / "video_encoder_student")
    return folder
