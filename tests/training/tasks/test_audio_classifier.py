import torch

from cinefoley.metrics.backbones.lite import LiteNet
from cinefoley.training.tasks.audio_classifier import AudioClassifierTask


def test_it_learns_kinds_from_crops_and_skips_silence() -> None:
    generator = torch.Generator().manual_seed(0)
    kinds = torch.arange(3).repeat(8)
    mels = torch.full((24, 801, 64), -80.0) + torch.randn(24, 801, 64, generator=generator)
    for row, kind in enumerate(kinds.tolist()):
        mels[row, :, 20 * kind : 20 * kind + 12] = -10.0
    is_heard = torch.ones(24, dtype=torch.bool)
    is_heard[:3] = False
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = LiteNet(3, channels=(4, 8, 8, 8, 8))
    task = AudioClassifierTask(network, mels.half(), kinds[:, None].expand(-1, 2), is_heard)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    accuracy = []
    for step in range(60):
        losses = task.loss(step, torch.Generator().manual_seed(step), 8)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        accuracy.append(float(losses["accuracy"]))
    assert sum(accuracy[-10:]) / 10 > 0.7  # chance is a third


def test_a_silent_crop_has_no_weight() -> None:
    mels = torch.full((2, 801, 64), -100.0)
    mels[:, :10] = -10.0  # one hit at the start: later stretches are silent
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = LiteNet(2, channels=(4, 4, 4, 4, 4)).eval()
    task = AudioClassifierTask(
        network, mels, torch.zeros(2, 2, dtype=torch.long), torch.ones(2, dtype=torch.bool)
    )
    losses = [
        float(task.loss(0, torch.Generator().manual_seed(seed), 1)["loss"].detach()) for seed in range(12)
    ]
    assert 0.0 in losses
