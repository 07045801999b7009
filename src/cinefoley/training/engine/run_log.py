"""Training log: ``log.jsonl``, one line per interval, and TensorBoard events."""

import contextlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cinefoley.errors import CinefoleyError
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.training.engine.checkpoints import explained_write_errors

__all__ = ["Interval", "RunLog"]


@dataclass(slots=True)
class Interval:
    """Sums of losses and times since the last line of the log."""

    sums: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0

    def add(self, values: dict[str, float], seconds: float) -> None:
        """Add one step's values, and the time it took."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.steps += 1
        self.seconds += seconds

    def means(self) -> dict[str, float]:
        """Mean of every value, to eight digits."""
        return {name: float(f"{total / self.steps:.8g}") for name, total in self.sums.items()}

    def speed(self, batch_size: int, *, steps_left: int) -> dict[str, float]:
        """Clips per second, and the remaining seconds at that speed."""
        per_step = max(self.seconds, 1e-9) / self.steps
        return {
            "clips_per_s": round(batch_size / per_step, 2),
            "remaining_s": round(per_step * steps_left, 1),
        }


class RunLog:
    """Writes ``log.jsonl`` and ``tensorboard/`` in a run's folder.

    A resumed run first drops the lines and events of steps after its checkpoint, so that no step is logged
    twice.

    Args:
        run_dir: The run's folder.
        step: Finished steps.

    Raises:
        CinefoleyError: If tensorboard is not installed.
        OutputError: If the disk is full; of every method.
    """

    def __init__(self, run_dir: Path, step: int) -> None:
        self._path = run_dir / "log.jsonl"
        with explained_write_errors(run_dir):
            self._drop_after(step)
            self._events = _Events(run_dir / "tensorboard", step)

    def write(self, line: dict[str, float]) -> None:
        """Append one line; its ``step`` is also the step of the TensorBoard events."""
        with explained_write_errors(self._path):
            with self._path.open("a") as log:
                log.write(json.dumps(line) + "\n")
            self._events.write({name: line[name] for name in line.keys() - {"step"}}, int(line["step"]))

    def close(self) -> None:
        """Close the file of TensorBoard events."""
        with contextlib.suppress(OSError):  # a full disk was already reported by write
            self._events.close()

    def _drop_after(self, step: int) -> None:
        if not self._path.exists():
            return
        lines = self._path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        if len(kept) < len(lines):
            with atomic_write(self._path) as aside:
                aside.write_text("".join(kept))


class _Events:
    """A file of TensorBoard events.

    It does not use torch's ``SummaryWriter``, whose thread never ends when the disk is full.
    """

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ModuleNotFoundError as exc:
            raise CinefoleyError(
                "Training needs tensorboard, which is not installed. Install it with "
                "`pip install 'cinefoley[train]'`."
            ) from exc
        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        folder.mkdir(exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"  # TensorBoard reads files in this order
        self._file = (folder / name).open("wb", buffering=0)
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        # TensorBoard then drops events of later steps in earlier files
        self._write(step=step + 1, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))

    def write(self, values: dict[str, float], step: int) -> None:
        scalars = [
            self._summary.Value(tag=name, simple_value=value) for name, value in sorted(values.items())
        ]
        self._write(step=step, summary=self._summary(value=scalars))

    def close(self) -> None:
        self._file.close()

    def _write(self, **content: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **content).SerializeToString())
