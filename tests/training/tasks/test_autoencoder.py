from pathlib import Path

import pytest
import torch

from cinefoley.config.mel import MelConfig
from cinefoley.config.model import AutoencoderConfig
from cinefoley.config.training import TrainConfig
from cinefoley.models.build import build_autoencoder
from cinefoley.training.engine.loop import fit
from cinefoley.training.engine.step_seeds import step_generator
from cinefoley.training.tasks.autoencoder import AutoencoderTask

CONFIG = AutoencoderConfig(
    channels=1, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, has_middle_attention=False
)


def task() -> AutoencoderTask:
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 64)
    mels = torch.stack([ramp.expand(16, 64) * (n + 1) / 4 for n in range(4)]).half()
    return AutoencoderTask(build_autoencoder(CONFIG), mels, crop_frames=16)


def test_crops_are_parts_of_one_mel() -> None:
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
    trained.held_out = trained.on(mels=torch.full((1, 16, 64), 0.5))
    with torch.no_grad():
        original, rebuilt = trained.samples()
    assert (original.name, rebuilt.name) == ("0-original", "0-rebuilt")
    assert bool((original.mel == 0.5).all())
    assert rebuilt.mel.shape == (16, 64)
    assert not torch.equal(rebuilt.mel, original.mel)


def test_the_loudest_of_several_crops_is_used() -> None:
    trained = task()
    trained.mels = torch.zeros(1, 16, 64)
    trained.mels[:, :, 40:] = 1.0
    trained.choices = 3
    assert trained.draw(0, step_generator(0, 0), 5)["start"].shape == (5, 3)
    rows = {
        "index": torch.tensor([0]),
        "start": torch.tensor([[0, 44, 4]]),
        "noise": torch.zeros(1, 4, 8, 8),
    }
    assert torch.equal(trained.load(rows)["crops"][0, 0], trained.mels[0, :, 44:60])


class Off(torch.nn.Module):
    """A decoder with one answer, whatever it is asked."""

    answer = torch.zeros(())

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return self.answer


def errors_of(trained: AutoencoderTask, mel: torch.Tensor, answer: torch.Tensor) -> float:
    trained.autoencoder.decoder = stub = Off()
    trained.kl_weight = 0.0
    stub.answer = answer[:, None]
    batch = {"crops": mel[:, None], "noise": torch.zeros(1, 4, 8, 8)}
    with torch.no_grad():
        return float(trained.losses(batch, step=0)["loss"])


def test_what_is_audible_counts_as_often_as_asked() -> None:
    trained = task()
    trained.audible_weight = 4.0
    heard, silent = torch.full((1, 16, 16), 0.5), torch.zeros(1, 16, 16)
    assert errors_of(trained, silent, silent + 0.1) == pytest.approx(0.1, rel=1e-5)
    assert errors_of(trained, heard, heard + 0.1) == pytest.approx(0.4, rel=1e-5)


def test_slopes_add_to_the_error() -> None:
    """A rebuilt mel that is off by a ramp of 0.01 a frame: its slopes along time are wrong by 0.01."""
    trained = task()
    mel = torch.zeros(1, 16, 16)
    answer = mel + 0.01 * torch.arange(16)
    plain = errors_of(trained, mel, answer)
    trained.slope_weight = 2.0
    assert errors_of(trained, mel, answer) == pytest.approx(plain + 0.02, rel=1e-4)
