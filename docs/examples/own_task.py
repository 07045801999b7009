"""A training task of one's own: a small network learns to tell a rising tone from a falling one.

python docs/examples/own_task.py runs/tones
torchrun --standalone --nproc-per-node=2 docs/examples/own_task.py runs/tones
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.config.training import TrainConfig
from cinefoley.errors import CinefoleyError
from cinefoley.training.engine.loop import fit
from cinefoley.training.engine.task import Batch, Task

RATE = 8000


class Tones(Task):
    """Rising or falling, in a quarter of a second."""

    name = "tones"

    def __init__(self) -> None:
        self.module = nn.Sequential(
            nn.Conv1d(1, 16, kernel_size=65, stride=16),  # 2000 samples become 121
            nn.ReLU(),
            nn.Conv1d(16, 16, kernel_size=9, stride=4),  # 29
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 29, 2),
        )

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Every random choice of the whole batch; it is the same on every rank."""
        return {
            "index": step * batch_size + torch.arange(batch_size),
            "is_rising": torch.rand(batch_size, generator=generator) < 0.5,
            "start_hz": 400 + 400 * torch.rand(batch_size, generator=generator),
        }

    def load(self, rows: Batch) -> Batch:
        """The heavy part, for the rows of one rank only."""
        seconds = torch.arange(RATE // 4) / RATE
        slope = torch.where(rows["is_rising"], 400.0, -400.0)[:, None]
        cycles = rows["start_hz"][:, None] * seconds + slope * seconds.square()
        return {"waveform": torch.sin(2 * torch.pi * cycles)[:, None], "label": rows["is_rising"].long()}

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Means over the rows; ``"loss"`` is minimised, the others are logged."""
        logits = self.module(batch["waveform"])
        accuracy = (logits.argmax(dim=1) == batch["label"]).float().mean()
        return {"loss": F.cross_entropy(logits, batch["label"]), "accuracy": accuracy}


def main(run_dir: Path) -> None:
    """Train, or continue where the last run in the folder stopped."""
    torch.manual_seed(0)  # the first weights
    config = TrainConfig(steps=200, batch_size=32, learning_rate=3e-3, warmup_steps=20, checkpoint_every=50)
    try:
        fit(Tones(), config, run_dir, on_log=print, show_progress=True)
    except CinefoleyError as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
