import pytest
import torch

from cinefoley.config.model import AutoencoderConfig
from cinefoley.models.build import build_autoencoder
from cinefoley.training.mel_decoder import MelDecoderTask

CONFIG = AutoencoderConfig(
    channels=1,
    block_out_channels=(4, 4, 8),
    layers_per_block=1,
    norm_num_groups=2,
    has_middle_attention=False,
)


def make_task(mels: torch.Tensor) -> MelDecoderTask:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MelDecoderTask(build_autoencoder(CONFIG), mels, crop_frames=32)


def test_the_decoder_learns_and_the_latents_stay() -> None:
    mels = torch.rand(4, 16, 64, generator=torch.Generator().manual_seed(0))
    task = make_task(mels)
    before = task.autoencoder.encode(mels[:, None]).latent_dist.mean.detach().clone()
    parameters = [p for p in task.module.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    history = []
    for step in range(30):
        loss = task.loss(step, torch.Generator().manual_seed(step), 4)["loss"]
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in parameters)
        optimizer.step()
        history.append(float(loss.detach()))
    assert sum(history[-5:]) < 0.9 * sum(history[:5])
    assert torch.equal(task.autoencoder.encode(mels[:, None]).latent_dist.mean, before)
    trained = {id(parameter) for parameter in parameters}
    encoder = [*task.autoencoder.encoder.parameters(), *task.autoencoder.quant_conv.parameters()]
    assert not trained & {id(parameter) for parameter in encoder}


def test_the_loudest_of_three_stretches_is_taken() -> None:
    mels = torch.zeros(1, 16, 64)
    mels[:, :, 40:] = 1.0
    task = make_task(mels)
    rows = {
        "index": torch.tensor([0]),
        "start": torch.tensor([[0, 32, 4]]),
        "noise": torch.zeros(1, 4, 4, 8),
    }
    assert torch.equal(task.load(rows)["crops"][0, 0], mels[0, :, 32:64])


def test_what_is_heard_counts_four_times() -> None:
    """The same error costs more where the mel is not silent."""
    heard = torch.full((1, 16, 32), 0.5)
    silent = torch.zeros(1, 16, 32)
    task = make_task(heard)

    class Off(torch.nn.Module):
        answer = torch.zeros(())

        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            return self.answer

    task.autoencoder.decoder = stub = Off()
    errors = []
    for mel in (heard, silent):
        stub.answer = mel[:, None] + 0.1
        batch = {"crops": mel[:, None], "noise": torch.zeros(1, 4, 4, 8)}
        errors.append(float(task.losses(batch, step=0)["error"]))
    assert errors[0] == pytest.approx(4 * errors[1], rel=1e-5)
