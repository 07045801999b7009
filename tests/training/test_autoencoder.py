from pathlib import Path

import torch

from cinefoley.config.mel import MelConfig
from cinefoley.config.model import AutoencoderConfig
from cinefoley.config.training import TrainConfig
from cinefoley.models.build import build_autoencoder
from cinefoley.training.autoencoder import AutoencoderTask
from cinefoley.training.engine import fit, step_generator

CONFIG = AutoencoderConfig(
    channels=1, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, has_middle_attention=False
)


def task() -> AutoencoderTask:
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 64)
    mels = torch.stack([ramp.expand(16, 64) * (n + 1) / 4 for n in range(4)]).half()
    return AutoencoderTask(build_autoencoder(CONFIG), mels, crop_frames=16)


def test_crops_are_stretches_of_one_mel() -> None:
    trained = task()
    crops = trained.load(trained.draw(0, step_generator(0, 0), 50))["crops"]
    assert crops.shape == (50, 1, 16, 16)
    slopes = crops[:, 0, 0].diff(dim=1).mean(dim=1)
    expected = torch.tensor([(n + 1) / 4 / 63 for n in range(4)])
    assert ((slopes[:, None] - expected).abs().amin(dim=1) < 1e-3).all()


def test_reconstruction_is_learned(tmp_path: Path) -> None:
    trained = task()
    before = trained.loss(0, step_generator(1, 0), 8)["l1"].detach()
    fit(trained, TrainConfig(steps=40, batch_size=8, learning_rate=5e-3, warmup_steps=5), tmp_path)
    after = trained.loss(0, step_generator(1, 0), 8)["l1"].detach()
    assert after < 0.5 * before


def test_samples_are_mels_as_they_are_and_rebuilt() -> None:
    trained = task()
    assert not trained.samples(), "without a front-end nothing can be heard"
    trained.mel_config = MelConfig(n_mels=16)
    trained.held_out = trained.on(torch.full((1, 16, 64), 0.5))
    with torch.no_grad():
        original, rebuilt = trained.samples()
    assert (original.name, rebuilt.name) == ("0-original", "0-rebuilt")
    assert bool((original.mel == 0.5).all())
    assert rebuilt.mel.shape == (16, 64)
    assert not torch.equal(rebuilt.mel, original.mel)
