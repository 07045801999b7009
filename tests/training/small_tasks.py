"""Tasks that train in no time, and a script that trains them, alone or under torchrun.

``python -m tests.training.small_tasks RUNS`` reads ``RUNS/jobs.json``, a list of jobs for :func:`run_job`,
does them one after the other, and writes what became of job ``n`` on rank ``r`` to ``RUNS/n.r.json``.
"""

import copy
import json
import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.config.model import DenoiserConfig
from cinefoley.config.training import TrainConfig
from cinefoley.errors import CinefoleyError
from cinefoley.training.engine.loop import fit
from cinefoley.training.engine.ranks import gather_rows
from cinefoley.training.engine.task import Batch, Task

__all__ = ["Contrast", "Regression", "main"]


DENOISER = DenoiserConfig(
    block_out_channels=(8, 16),
    has_attention=(False, True),
    layers_per_block=1,
    num_heads=2,
    context_dim=12,
    norm_num_groups=4,
)
"""A denoiser as small as they come."""


class Regression(Task):
    """Learns a fixed linear map through BatchNorm; can stop itself or spoil a row, by step."""

    name = "regression"

    def __init__(
        self,
        *,
        width: int = 8,
        dropout: float = 0.0,
        stop_at: int | None = None,
        nan_at: int | None = None,
        signum: int = signal.SIGTERM,
    ) -> None:
        torch.manual_seed(0)
        self.module = nn.Sequential(
            nn.Linear(4, width), nn.BatchNorm1d(width), nn.Tanh(), nn.Dropout(dropout), nn.Linear(width, 2)
        )
        statistics = dict(self.module.named_buffers())
        nn.init.uniform_(statistics["1.running_mean"], -0.2, 0.2)
        nn.init.uniform_(statistics["1.running_var"], 0.5, 1.5)
        self._stop_at, self._nan_at, self._signum = stop_at, nan_at, signum

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        inputs = torch.randn(batch_size, 4, generator=generator)
        if step == self._nan_at:
            inputs[-1] = torch.nan
        return {"index": 100 * step + torch.arange(batch_size), "inputs": inputs}

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        if step == self._stop_at and int(os.environ.get("RANK", 0)) + 1 == int(
            os.environ.get("WORLD_SIZE", 1)
        ):
            os.kill(os.getpid(), self._signum)
        inputs = batch["inputs"]
        error = self.module(inputs) - (inputs[:, :2] - inputs[:, 2:])
        return {"loss": error.square().mean(), "l1": error.abs().mean()}


class Contrast(Task):
    """Learns which picture belongs to which sound, from the whole batch, with a learned temperature."""

    name = "contrast"
    compares_rows = True

    def __init__(self, *, is_validated: bool = False) -> None:
        torch.manual_seed(0)
        self.pictures, self.sounds = nn.Linear(6, 4), nn.Linear(5, 4)
        scale = nn.ParameterDict({"logit_scale": nn.Parameter(torch.tensor(1.0))})
        self.module = nn.ModuleDict({"pictures": self.pictures, "sounds": self.sounds, "scale": scale})
        self.scale = scale
        self.held_out = copy.copy(self) if is_validated else None

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        inputs = torch.randn(batch_size, 6, generator=generator)
        return {"pictures": inputs, "sounds": inputs[:, :5].square() + inputs[:, 1:]}

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        pictures = gather_rows(F.normalize(self.pictures(batch["pictures"]), dim=1))
        sounds = gather_rows(F.normalize(self.sounds(batch["sounds"]), dim=1))
        logits = self.scale["logit_scale"].exp() * pictures @ sounds.T
        own = torch.arange(len(logits), device=logits.device)
        return {"loss": (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2}


TASKS = {"regression": Regression, "contrast": Contrast}


def run_job(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Train; the error, or the end's weights. ``{"pickle": FILE}`` is a job of ``shard_runs``."""
    if "pickle" in job:
        from tests.training import shard_runs  # loads much more

        shard_runs.run_job(pickle.loads(Path(job["pickle"]).read_bytes()))
        return {}
    task = TASKS[job["task"]](**job.get("options", {}))
    try:
        module = fit(task, TrainConfig(**job["config"]), folder / job["run"], on_log=_print)
    except (CinefoleyError, ValueError) as exc:
        return {"error": f"{type(exc).__name__}: {exc}"}
    return {"weights": {key: value.tolist() for key, value in module.state_dict().items()}}


def main() -> None:
    folder = Path(sys.argv[1])
    for number, job in enumerate(json.loads((folder / "jobs.json").read_text())):
        outcome = run_job(folder, job)
        (folder / f"{number}.{os.environ.get('RANK', 0)}.json").write_text(json.dumps(outcome))


def _print(line: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
