"""Training loop: steps, checkpoints, log and exact resume, for any task, on one process or several ranks."""

import contextlib
import json
import logging
import math
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from cinefoley.config.training import TrainConfig
from cinefoley.errors import CinefoleyError, RunInterrupted
from cinefoley.training.engine.checkpoints import (
    check_steps,
    describe_run,
    engine_lock,
    explained_write_errors,
    load_checkpoint,
    save_checkpoint,
)
from cinefoley.training.engine.optimisation import build_ema, build_optimizer, learning_rate, set_mode
from cinefoley.training.engine.prefetch import Prefetch
from cinefoley.training.engine.progress import training_progress
from cinefoley.training.engine.ranks import Ranks, gathering_disabled
from cinefoley.training.engine.run_log import Interval, RunLog
from cinefoley.training.engine.sample_writer import write_samples
from cinefoley.training.engine.step_seeds import step_generator
from cinefoley.training.engine.task import Batch, Task

__all__ = ["fit"]

_log = logging.getLogger(__name__)
_MAX_NAMES = 16  # of clips in an error message


def fit(
    task: Task,
    config: TrainConfig,
    run_dir: Path,
    *,
    device: torch.device | None = None,
    on_begin: Callable[[str], None] | None = None,
    on_log: Callable[[dict[str, float]], None] | None = None,
    show_progress: bool = False,
) -> nn.Module:
    """Train ``task.module`` to the end, from where the last run in ``run_dir`` stopped.

    Runs on one process, or on all ranks that torchrun started, which share every batch
    (``docs/training.md``).

    Args:
        task: The task. Its module is moved to this process's device.
        config: Settings of the run.
        run_dir: Folder for ``checkpoint.pt``, ``log.jsonl``, ``tensorboard/`` and ``samples/``; one run at a
            time. Only rank 0 reads and writes it.
        device: Device to train on; None takes this process's own, see
            :func:`cinefoley.pipelines.devices.choose_own_device`.
        on_begin: Called on rank 0, after the checkpoint in ``run_dir`` was checked, with the number format of
            the forward pass: ``"bf16"`` or ``"fp32"``, or ``"bf16, fp32 from step 300"`` if it changed during
            the run.
        on_log: Called on rank 0 with every line of the log.
        show_progress: Draw a progress bar on stderr, on rank 0 and on a terminal only.

    Returns:
        ``task.module``, trained, on every rank; with averaged weights if the configuration has ``ema_decay``.

    Raises:
        RunInterrupted: On SIGTERM or SIGINT to any rank, after the state of the last finished step was saved.
        CheckpointMismatchError: If ``run_dir`` holds a run of another stage, preset or configuration.
        OutputError: If the disk is full; the last checkpoint is untouched.
        CinefoleyError: If another run holds ``run_dir``, the loss or its gradient is not finite, or the
            `train` extra is not installed.
        ValueError: If the batch does not divide by the ranks, or a rank is given another rank's device.
    """
    ranks = Ranks(device)
    with contextlib.ExitStack() as stack:
        # dropout draws from the global generators; their state is restored for the caller
        stack.enter_context(torch.random.fork_rng([ranks.device] if ranks.device.type == "cuda" else []))
        ranks.on_main(lambda: stack.enter_context(engine_lock(run_dir)))
        stop = stack.enter_context(_stop_flag())
        run = _Run(task, config, run_dir, ranks)
        stack.callback(run.close)
        if on_begin is not None:
            ranks.on_main(lambda: on_begin(run.arithmetic))
        is_wanted = show_progress and ranks.is_main
        on_step = stack.enter_context(training_progress(task.name, config.steps, is_wanted=is_wanted))
        stack.enter_context(ranks.lost_ranks_explained())
        return run.loop(stop, on_step, on_log or (lambda line: None))


class _Losses(nn.Module):
    """The task's losses as a module's forward pass, so that DDP can exchange its gradients."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.module = task.module
        self._task = task

    def forward(self, batch: Batch, step: int) -> dict[str, Tensor]:
        return self._task.losses(batch, step=step)


class _Run:
    """State of one run: step, module, optimiser, averaged weights, log."""

    def __init__(self, task: Task, config: TrainConfig, run_dir: Path, ranks: Ranks) -> None:
        self.task, self.config, self.run_dir, self.ranks = task, config, run_dir, ranks
        self.module = task.module
        self.description = describe_run(task, config)
        _check_division(task, config, ranks)
        self._check_agreement()
        self.losses = ranks.distribute(_Losses(task))
        self.optimizer = build_optimizer(self.module, config)
        self.ema = build_ema(self.module, config)
        self.is_bf16 = ranks.computes_in_bf16(config.precision)
        self.step, self.interval = 0, Interval()
        self.elapsed_s = 0.0  # in earlier starts of this run
        self.changes: list[tuple[int, bool]] = []  # (step, whether bf16 is used from that step on)
        self.prefetch = Prefetch(self._load_part) if task.prefetches else None
        self._load()
        if not self.changes or self.changes[-1][1] != self.is_bf16:
            self.changes.append((self.step, self.is_bf16))
        self.log: RunLog | None = None
        ranks.on_main(self._open_log)

    @property
    def arithmetic(self) -> str:
        """Number format of the forward pass, in words."""
        return ", ".join(
            ("bf16" if is_bf16 else "fp32") + (f" from step {step}" if step else "")
            for step, is_bf16 in self.changes
        )

    def loop(
        self, stop: list[int], on_step: Callable[[int], None], on_log: Callable[[dict[str, float]], None]
    ) -> nn.Module:
        self.began = time.monotonic() - self.elapsed_s  # continues the time of earlier starts
        set_mode(self.module, self.config.batch_norm)
        while self.step < self.config.steps:
            began = time.monotonic()
            values, signum = self._one_step(stop)
            self.interval.add(values, time.monotonic() - began)
            on_step(self.step)
            if self._is_due(self.config.log_every):
                self.ranks.on_main(lambda: self._write_log(on_log))
                self.interval = Interval()
            if self._is_due(self.config.checkpoint_every) or signum:
                self.ranks.on_main(self._save)
            if self._is_due(self.config.sample_every):
                self.ranks.on_main(self._write_samples)
            if signum and self.step < self.config.steps:
                raise RunInterrupted(
                    f"Stopped by {signal.Signals(signum).name} at step {self.step} of {self.config.steps}; "
                    f"the state is saved in {self.run_dir}. Run the same command again to continue."
                )
        if self.ema is not None:
            self.ema.copy_to(self.module.parameters())
        return self.module.eval()

    def close(self) -> None:
        if self.log is not None:
            self.log.close()
        if self.prefetch is not None:
            self.prefetch.close()

    def _one_step(self, stop: list[int]) -> tuple[dict[str, float], int]:
        """Train one step; its mean values over ranks and parts, and a signal that any rank received."""
        config, ranks = self.config, self.ranks
        generator = step_generator(config.seed, self.step)
        drawn = self.task.draw(self.step, generator, config.batch_size)
        torch.manual_seed(generator.initial_seed() + 1 + ranks.index)  # for dropout
        parts = [self._one_part(drawn, part) for part in range(config.gradient_accumulation)]
        own = torch.tensor([list(values.values()) for values in parts], dtype=torch.float64)
        signum = torch.tensor(float(stop[-1] if stop else 0), dtype=torch.float64)
        gathered = ranks.gather(torch.cat([signum[None], own.flatten()]))
        values = gathered[:, 1:].unflatten(1, own.shape)  # ranks, parts, names
        self._check_finite(values[..., list(parts[0]).index("loss")], drawn)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step)
        norm = float(clip_grad_norm_(self.module.parameters(), config.max_grad_norm or math.inf))
        if not math.isfinite(norm):
            raise self._failure("gradient", norm, self.task.clip_names(drawn))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.step(self.module.parameters())
        self.step += 1
        means = dict(zip(parts[0], values.mean(dim=(0, 1)).tolist(), strict=True))
        return means | {"grad_norm": norm}, int(gathered[:, 0].max())

    def _one_part(self, drawn: Batch, part: int) -> dict[str, float]:
        """Add the gradients of this rank's rows in one part of the batch. Returns their losses."""
        config, ranks = self.config, self.ranks
        batch = ranks.to_device(self._loaded(drawn, part))
        is_last = part + 1 == config.gradient_accumulation
        with contextlib.nullcontext() if is_last else ranks.without_sync(self.losses):
            with self._autocast():
                losses: dict[str, Tensor] = self.losses(batch, self.step)
            (losses["loss"] / config.gradient_accumulation).backward()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _loaded(self, drawn: Batch, part: int) -> Batch:
        """This rank's rows of one part; if the task allows it, a thread loads the next part meanwhile."""
        if self.prefetch is None:
            return self._load_own(drawn, part)
        parts = self.config.gradient_accumulation
        return self.prefetch.get(self.step * parts + part, last=self.config.steps * parts - 1)

    def _load_part(self, number: int) -> Batch:
        """This rank's rows of a part, counted over the whole run; they depend on its number only."""
        config = self.config
        step, part = divmod(number, config.gradient_accumulation)
        drawn = self.task.draw(step, step_generator(config.seed, step), config.batch_size)
        return self._load_own(drawn, part)

    def _load_own(self, drawn: Batch, part: int) -> Batch:
        config = self.config
        own = self.ranks.rows(config.batch_size, part=part, parts=config.gradient_accumulation)
        return self.task.load({name: rows[own] for name, rows in drawn.items()})

    def _check_finite(self, losses: Tensor, drawn: Batch) -> None:
        """Stop if the loss of any rank and part in ``losses`` is not finite."""
        for index, part in (~losses.isfinite()).nonzero().tolist():
            rows = self.ranks.rows(self.config.batch_size, part=part, parts=losses.shape[1], index=index)
            names = self.task.clip_names({name: values[rows] for name, values in drawn.items()})
            raise self._failure("loss", float(losses[index, part]), names)

    def _failure(self, what: str, value: float, names: list[str]) -> CinefoleyError:
        clips = ", ".join(names[:_MAX_NAMES]) + (
            f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        )
        return CinefoleyError(
            f"The {what} of step {self.step} is {value}, with {clips or 'clips without a name'}; the last "
            "checkpoint is untouched. Look for damage in these clips, or start again in another folder with "
            "a smaller learning_rate."
        )

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.ranks.device.type, torch.bfloat16, enabled=self.is_bf16)

    def _is_due(self, every: int | None) -> bool:
        return self.step == self.config.steps or (every is not None and self.step % every == 0)

    def _write_log(self, on_log: Callable[[dict[str, float]], None]) -> None:
        config = self.config
        line = {"step": self.step, "elapsed_s": round(time.monotonic() - self.began, 1)}
        line |= {"lr": learning_rate(config, self.step)} | self.interval.means()
        line |= self.interval.speed(config.batch_size, steps_left=config.steps - self.step)
        if self._is_due(config.validate_every):
            with self._as_if_finished(), self._autocast():
                line |= {f"valid_{name}": value for name, value in self.task.validate().items()}
        if self.log is not None:
            self.log.write(line)
        on_log(line)

    def _write_samples(self) -> None:
        folder = self.run_dir / "samples"
        with self._as_if_finished(), explained_write_errors(folder):
            write_samples(folder, self.step, self.task.samples())

    @contextlib.contextmanager
    def _as_if_finished(self) -> Iterator[None]:
        """Give the module the state that it would have if training ended now, on this rank only."""
        if self.ema is not None:
            self.ema.store(self.module.parameters())
            self.ema.copy_to(self.module.parameters())
        self.module.eval()
        with torch.no_grad(), gathering_disabled():
            yield
        set_mode(self.module, self.config.batch_norm)
        if self.ema is not None:
            self.ema.restore(self.module.parameters())

    def _save(self) -> None:
        state: dict[str, Any] = {
            "run": self.description,
            "step": self.step,
            "steps": self.config.steps,
            "arithmetic": self.changes,
            "elapsed_s": time.monotonic() - self.began,
            "interval": asdict(self.interval),
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
        }
        save_checkpoint(self.run_dir, state)

    def _load(self) -> None:
        state = self.ranks.on_main(lambda: load_checkpoint(self.run_dir, self.description))
        if state is None:
            return
        check_steps(state, self.config)
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
            self.ema.to(self.ranks.device)
        # older checkpoints have the last number format, or none
        known = state.get("arithmetic", [(0, state["is_bf16"])] if "is_bf16" in state else [])
        self.changes = [(step, is_bf16) for step, is_bf16 in known if step < state["step"]]
        # a resumed run keeps its number format, whatever is faster here; so does a finished one
        if self.changes and (self.config.precision == "auto" or state["step"] >= self.config.steps):
            self.is_bf16 = self.changes[-1][1]
        self.step, self.interval = state["step"], Interval(**state["interval"])
        self.elapsed_s = state["elapsed_s"]
        if self.ranks.is_main:
            _log.info("resuming %s at step %d", self.run_dir, self.step)

    def _open_log(self) -> None:
        self.log = RunLog(self.run_dir, self.step)

    def _check_agreement(self) -> None:
        """Stop if the ranks have different settings: they would wait for one another forever, or worse."""
        own = zlib.crc32(json.dumps([self.description, asdict(self.config)], default=str).encode())
        if len(self.ranks.gather(torch.tensor(own)).unique()) > 1:
            raise CinefoleyError(
                "The ranks were started with different settings. Give every machine the same command and the "
                "same version of cinefoley."
            )


def _check_division(task: Task, config: TrainConfig, ranks: Ranks) -> None:
    parts = config.gradient_accumulation
    if config.batch_size % (ranks.count * parts):
        raise ValueError(
            f"batch_size must divide by the number of ranks times gradient_accumulation, got "
            f"{config.batch_size} clips for {ranks.count} ranks and {parts} parts"
        )
    if task.compares_rows and parts > 1 and ranks.is_main:
        _log.warning(
            "the loss of %r compares the clips of a batch; in %d parts it compares %d at a time, not %d",
            task.name,
            parts,
            config.batch_size // parts,
            config.batch_size,
        )


@contextlib.contextmanager
def _stop_flag() -> Iterator[list[int]]:
    """A list of received signals, so that a step is always finished before the run stops."""
    received: list[int] = []
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in previous:
        signal.signal(number, lambda signum, _frame: received.append(signum))
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
