"""One training loop for every stage: steps, checkpoints, logs, exact resume."""

import contextlib
import fcntl
import json
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from cinefoley.config.training import TrainConfig
from cinefoley.errors import CinefoleyError, RunInterrupted

__all__ = ["Task", "fit", "step_generator"]

_log = logging.getLogger(__name__)


class Task(Protocol):
    """What is trained: a module and the loss of one step."""

    module: nn.Module
    """Everything with parameters to learn, under one root."""

    def loss(self, step: int, generator: torch.Generator, batch_size: int) -> dict[str, Tensor]:
        """Losses of one step by name; ``"loss"`` is the one that is minimised.

        It draws its batch and every other random number from ``generator``, and nothing from elsewhere.
        """
        ...


def step_generator(seed: int, step: int) -> torch.Generator:
    """The source of all randomness in step ``step`` of a run with ``seed``."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) % 2**63
    return torch.Generator().manual_seed(mixed)


def fit(
    task: Task,
    config: TrainConfig,
    run_dir: Path,
    *,
    on_log: Callable[[dict[str, float]], None] | None = None,
) -> nn.Module:
    """Train ``task.module`` to the end, from where the last run in ``run_dir`` stopped.

    Args:
        task: What is trained.
        config: How it is trained.
        run_dir: Receives ``checkpoint.pt`` and ``log.jsonl``; one run at a time.
        on_log: Called with every line of the log, for a progress display.

    Returns:
        ``task.module``, trained, with averaged weights if the configuration asks for them.

    Raises:
        RunInterrupted: On SIGTERM or SIGINT, after the state of the last finished step was saved.
        CinefoleyError: If another run holds ``run_dir``, or the loss is not finite.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    with _only_run_in(run_dir), _stop_flag() as stop:
        return _Run(task, config, run_dir).loop(stop, on_log)


class _Run:
    def __init__(self, task: Task, config: TrainConfig, run_dir: Path) -> None:
        self.task, self.config, self.run_dir = task, config, run_dir
        self.module = task.module
        decayed = [p for p in self.module.parameters() if p.ndim > 1]
        plain = [p for p in self.module.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": config.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
            betas=config.betas,
            fused=True,
        )
        self.ema = None
        if config.ema_decay is not None:
            self.ema = EMAModel(
                self.module.parameters(), decay=config.ema_decay, use_ema_warmup=True, power=0.75
            )
        self.step = 0
        self.elapsed_s = 0.0
        self._load()

    def loop(self, stop: list[int], on_log: Callable[[dict[str, float]], None] | None) -> nn.Module:
        self.module.train()
        sums: dict[str, float] = {}
        since, began = 0, time.monotonic()
        while self.step < self.config.steps:
            if stop:
                self._save()
                raise RunInterrupted(
                    f"Stopped by {signal.Signals(stop[0]).name} at step {self.step} of {self.config.steps}; "
                    f"the state is saved in {self.run_dir}. Run the same command again to continue."
                )
            for name, value in self._one_step().items():
                sums[name] = sums.get(name, 0.0) + value
            since += 1
            if self.step % self.config.log_every == 0 or self.step == self.config.steps:
                now = time.monotonic()
                self.elapsed_s += now - began
                line = {"step": self.step, "elapsed_s": round(self.elapsed_s, 1), "lr": self._learning_rate()}
                line |= {name: round(value / since, 6) for name, value in sums.items()}
                self._write_log(line)
                if on_log is not None:
                    on_log(line)
                sums, since, began = {}, 0, now
            if self.step % self.config.checkpoint_every == 0 or self.step == self.config.steps:
                self._save()
        if self.ema is not None:
            self.ema.copy_to(self.module.parameters())
        return self.module.eval()

    def _one_step(self) -> dict[str, float]:
        generator = step_generator(self.config.seed, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        with _autocast(self.config.precision):
            losses = self.task.loss(self.step, generator, self.config.batch_size)
        values = {name: float(value.detach()) for name, value in losses.items()}
        if not math.isfinite(values["loss"]):
            raise CinefoleyError(
                f"The loss of step {self.step} is {values['loss']}; the last checkpoint is untouched."
            )
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.step(self.module.parameters())
        self.step += 1
        return values

    def _learning_rate(self) -> float:
        config, done = self.config, self.step + 1
        if done <= config.warmup_steps:
            return config.learning_rate * done / config.warmup_steps
        if config.schedule == "constant":
            return config.learning_rate
        if config.schedule == "trapezoid":
            return config.learning_rate * min(1.0, (config.steps - done + 1) / (0.2 * config.steps))
        progress = (done - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    def _save(self) -> None:
        state: dict[str, Any] = {
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
        }
        aside = self.run_dir / "checkpoint.pt.part"
        torch.save(state, aside)
        aside.replace(self.run_dir / "checkpoint.pt")  # a killed run never leaves half a checkpoint

    def _load(self) -> None:
        path = self.run_dir / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location="cpu")
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.ema is not None and state["ema"] is not None:
            self.ema.load_state_dict(state["ema"])
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]
        _log.info("resuming %s at step %d", self.run_dir, self.step)

    def _write_log(self, line: dict[str, float]) -> None:
        with (self.run_dir / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")


def _autocast(precision: str) -> contextlib.AbstractContextManager[Any]:
    if precision == "fp32" or (precision == "auto" and not torch.cpu._is_avx512_bf16_supported()):
        return contextlib.nullcontext()
    return torch.autocast("cpu", torch.bfloat16)


@contextlib.contextmanager
def _only_run_in(run_dir: Path) -> Iterator[None]:
    with (run_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise CinefoleyError(
                f"{run_dir} is in use by another run; stop that one or name another folder."
            ) from exc
        yield


@contextlib.contextmanager
def _stop_flag() -> Iterator[list[int]]:
    """A list that a signal fills, so that a step is always finished before the run stops."""
    received: list[int] = []
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in previous:
        signal.signal(number, lambda signum, _frame: received.append(signum))
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
