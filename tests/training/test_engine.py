import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cinefoley.config.training import TrainConfig
from cinefoley.errors import CinefoleyError, RunInterrupted
from cinefoley.training.engine import fit, step_generator

CONFIG = TrainConfig(
    steps=20, batch_size=8, learning_rate=0.05, warmup_steps=3, ema_decay=0.9, checkpoint_every=6, log_every=1
)


class Regression:
    """Learns a fixed linear map; stops itself, spoils its loss or passes, by step."""

    def __init__(self, *, stop_at: int | None = None, nan_at: int | None = None) -> None:
        torch.manual_seed(0)
        self.module: nn.Module = nn.Linear(4, 2)
        self._stop_at, self._nan_at = stop_at, nan_at

    def loss(self, step: int, generator: torch.Generator, batch_size: int) -> dict[str, Tensor]:
        inputs = torch.randn(batch_size, 4, generator=generator)
        target = inputs[:, :2] - inputs[:, 2:]
        if step == self._stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        error = (self.module(inputs) - target).square().mean()
        return {"loss": error * float("nan") if step == self._nan_at else error}


def losses(run_dir: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines}


def weights(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def test_the_loss_falls(tmp_path: Path) -> None:
    fit(Regression(), CONFIG, tmp_path)
    log = losses(tmp_path)
    assert log[20] < 0.5 * log[1]


def test_a_stopped_run_continues_to_the_same_end(tmp_path: Path) -> None:
    whole = weights(fit(Regression(), CONFIG, tmp_path / "whole"))
    with pytest.raises(RunInterrupted, match=r"Stopped by SIGTERM at step 10 of 20.*Run the same command"):
        fit(Regression(stop_at=9), CONFIG, tmp_path / "parts")
    parts = weights(fit(Regression(), CONFIG, tmp_path / "parts"))
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")


def test_a_killed_run_repeats_what_its_checkpoint_had_not_seen(tmp_path: Path) -> None:
    """kill -9 in the middle: the next run resumes from the last checkpoint and ends with the same weights."""
    script = textwrap.dedent(f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        import test_engine as t
        class Killed(t.Regression):
            def loss(self, step, generator, batch_size):
                if step == 15:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().loss(step, generator, batch_size)
        t.fit(Killed(), t.CONFIG, Path({str(tmp_path / "killed")!r}))
    """)
    run = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    resumed = weights(fit(Regression(), CONFIG, tmp_path / "killed"))
    whole = weights(fit(Regression(), CONFIG, tmp_path / "whole"))
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
    assert not list((tmp_path / "killed").glob("*.part"))


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = weights(fit(Regression(), CONFIG, tmp_path))
    second = weights(fit(Regression(nan_at=0), CONFIG, tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CinefoleyError, match="loss of step 8 is nan"):
        fit(Regression(nan_at=8), CONFIG, tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 6


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    class Second(Regression):
        def loss(self, step: int, generator: torch.Generator, batch_size: int) -> dict[str, Tensor]:
            with pytest.raises(CinefoleyError, match="in use by another run"):
                fit(Regression(), CONFIG, tmp_path)
            return super().loss(step, generator, batch_size)

    fit(Second(), TrainConfig(steps=1, learning_rate=0.1), tmp_path)
    assert (tmp_path / "checkpoint.pt").exists()


def test_randomness_depends_on_seed_and_step_alone() -> None:
    draws = {
        (seed, step): torch.rand(4, generator=step_generator(seed, step)).tolist()
        for seed in range(3)
        for step in range(3)
    }
    assert len({tuple(draw) for draw in draws.values()}) == 9
    assert draws[1, 2] == torch.rand(4, generator=step_generator(1, 2)).tolist()
