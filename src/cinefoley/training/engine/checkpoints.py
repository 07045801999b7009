"""Checkpoints of a training run: atomic writes, a check of the settings on resume, and the folder's lock."""

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from cinefoley.config.training import TrainConfig
from cinefoley.errors import CheckpointMismatchError, OutputError
from cinefoley.media.files.atomic_write import atomic_write, cause_of_failed_write
from cinefoley.media.files.folder_lock import locked_folder
from cinefoley.training.engine.optimisation import constant_rate_steps
from cinefoley.training.engine.task import Task

__all__ = [
    "check_steps",
    "describe_run",
    "engine_lock",
    "explained_write_errors",
    "load_checkpoint",
    "save_checkpoint",
]

_NAME = "checkpoint.pt"
# settings that may change when a run is resumed
_FREE = (
    "checkpoint_every",
    "log_every",
    "validate_every",
    "sample_every",
    "gradient_accumulation",
    "precision",
)
# settings that older checkpoints do not have
_WITHOUT_CHOICE = {"optimizer": "adamw"}


def describe_run(task: Task, config: TrainConfig) -> dict[str, Any]:
    """Everything that a run and the checkpoint that it resumes must have in common, as JSON values.

    The number of steps is not part of it where the schedule does not depend on it before its end, so that
    such a run can be made longer.
    """
    kept = {name: value for name, value in asdict(config).items() if name not in _FREE}
    if config.schedule != "cosine":
        del kept["steps"]
    description = {
        "task": task.name,
        "config": kept,
        "settings": dict(task.settings),
        **({} if task.epoch_order is None else {"passes": asdict(task.epoch_order)}),
        "shapes": {key: list(value.shape) for key, value in task.module.state_dict().items()},
    }
    plain: dict[str, Any] = json.loads(json.dumps(description, default=str))
    return plain


def check_steps(state: dict[str, Any], config: TrainConfig) -> None:
    """Check that a run can still get a new number of steps.

    A finished run cannot be made shorter, since its weights would stay the same. The length of a trapezoid
    can change only while its learning rate is constant for both lengths: otherwise the rate would jump.

    Args:
        state: A checkpoint, with the number of steps that its run was planned for.
        config: Settings of the resumed run.

    Raises:
        CheckpointMismatchError: If it does not fit.
    """
    step, before = state["step"], state.get("steps", config.steps)  # older checkpoints have no steps
    if config.steps < step:
        raise CheckpointMismatchError(
            f"This run is at step {step} and cannot end after {config.steps}. Ask for at least {step} "
            "steps, or start a new run in another folder."
        )
    level = constant_rate_steps(min(before, config.steps))
    if config.schedule == "trapezoid" and before != config.steps and step > level:
        raise CheckpointMismatchError(
            f"This run was planned for {before} steps, not {config.steps}. The learning rate of the shorter "
            f"one falls from step {level} on, and this run is at step {step}, so its length cannot be "
            "changed. Start a new run in another folder."
        )


def save_checkpoint(run_dir: Path, state: dict[str, Any]) -> None:
    """Write ``checkpoint.pt`` atomically: the earlier one stays until the new one is complete.

    Raises:
        OutputError: If the folder cannot be written or the disk is full.
    """
    path = run_dir / _NAME
    with explained_write_errors(path), atomic_write(path) as aside:
        try:
            with aside.open("wb") as file:
                torch.save(state, file)
        except RuntimeError as exc:  # torch replaces the system's error by its own
            raise cause_of_failed_write(aside) from exc


def load_checkpoint(run_dir: Path, description: dict[str, Any]) -> dict[str, Any] | None:
    """Read ``checkpoint.pt``; None if there is none.

    Args:
        run_dir: The run's folder.
        description: :func:`describe_run` of the resumed run.

    Raises:
        CheckpointMismatchError: If it is of another stage, preset or configuration, or cannot be read.
    """
    path = run_dir / _NAME
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        found = state["run"]
    except Exception as exc:  # torch raises whatever its readers raise
        raise CheckpointMismatchError(
            f"{path} is no checkpoint of this version of cinefoley ({type(exc).__name__}). "
            "Name another folder, or delete the file to start again."
        ) from exc
    difference = _difference(found, description)
    if difference:
        raise CheckpointMismatchError(
            f"{path} does not fit this run: {difference}. Give the same settings again to resume it, or name "
            "another folder to start a new run."
        )
    return state


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What differs between two runs, in words; empty if nothing does."""
    if found["task"] != wanted["task"]:
        return f"it is of stage {found['task']!r}, this is {wanted['task']!r}"
    missing = sorted(wanted["shapes"].keys() - found["shapes"].keys())
    unexpected = sorted(found["shapes"].keys() - wanted["shapes"].keys())
    if missing or unexpected:
        first = (missing or unexpected)[0]
        return f"{len(missing)} tensors missing, {len(unexpected)} unexpected, first {first!r}"
    for kind in ("shapes", "settings", "config", "passes"):
        there, here = found.get(kind, {}), wanted.get(kind, {})
        if kind == "config":
            there = _WITHOUT_CHOICE | there
        changes = [
            f"{key} is {there.get(key)!r} there and {here.get(key)!r} here"
            for key in sorted(there.keys() | here.keys())
            if there.get(key) != here.get(key)
        ]
        if changes:
            more = f", and {len(changes) - 3} more" if len(changes) > 3 else ""
            return ", ".join(changes[:3]) + more
    return ""


@contextlib.contextmanager
def engine_lock(run_dir: Path) -> Iterator[None]:
    """Hold the folder's lock while the block runs; half-written samples of a killed run are removed.

    Raises:
        OutputError: If another run holds it, or it cannot be created.
    """
    with locked_folder(
        run_dir, lock_name="lock", refusal="is in use by another run; stop that one or name another folder."
    ):
        for half in run_dir.glob("samples/.cinefoley-*.part"):
            half.unlink()
        yield


@contextlib.contextmanager
def explained_write_errors(path: Path) -> Iterator[None]:
    """Explain a failed write in an error: the run stops, and can be resumed from its last checkpoint.

    Args:
        path: The path that the block writes.

    Raises:
        OutputError: If the block raises one, or an ``OSError``.
    """
    try:
        yield
    except (OSError, OutputError) as exc:
        cause = exc if isinstance(exc, OSError) else exc.__cause__
        code = cause.errno if isinstance(cause, OSError) else None
        raise OutputError(
            f"{path} cannot be written ({os.strerror(code or errno.EIO)}); the last checkpoint is untouched. "
            "Free some space, then run the same command again to resume."
        ) from exc
