"""What a run tells while it goes on: one JSON line per interval, and TensorBoard's events."""

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cinefoley.errors import CinefoleyError, OutputError
from cinefoley.media.writing import written_aside

__all__ = ["Interval", "RunLog"]


@dataclass(slots=True)
class Interval:
    """What has been added up since the last line of the log."""

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
        """Clips per second, and seconds until the end at that speed."""
        per_step = max(self.seconds, 1e-9) / self.steps
        return {
            "clips_per_s": round(batch_size / per_step, 2),
            "remaining_s": round(per_step * steps_left, 1),
        }


class RunLog:
    """Writes ``log.jsonl`` and ``tensorboard/`` in a run's folder.

    A run that continues first drops the lines and events of steps that its checkpoint has not seen, so that
    no step is told twice.

    Args:
        run_dir: The run's folder.
        step: Finished steps.

    Raises:
        CinefoleyError: If tensorboard is not installed.
        OutputError: If the disk is full; of every method.
    """

    def __init__(self, run_dir: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as exc:
            raise CinefoleyError(
                "Training needs tensorboard, which is not installed. Install it with "
                "`pip install 'cinefoley[train]'`."
            ) from exc
        self._path = run_dir / "log.jsonl"
        with _told(run_dir):
            self._forget_after(step)
            self._events = SummaryWriter(run_dir / "tensorboard", purge_step=step + 1)

    def write(self, line: dict[str, float]) -> None:
        """Add one line; its ``step`` is the events' step."""
        with _told(self._path):
            with self._path.open("a") as log:
                log.write(json.dumps(line) + "\n")
            for name in line.keys() - {"step"}:
                self._events.add_scalar(name, line[name], int(line["step"]))
            self._events.flush()

    def close(self) -> None:
        """Finish the events' file."""
        with contextlib.suppress(OSError):  # a full disk was told of when it was met
            self._events.close()

    def _forget_after(self, step: int) -> None:
        if not self._path.exists():
            return
        lines = self._path.read_text().splitlines(keepends=True)
        seen = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        if len(seen) < len(lines):
            with written_aside(self._path) as aside:
                aside.write_text("".join(seen))


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or os.strerror(exc.errno or errno.EIO)
        raise OutputError(
            f"{path} cannot be written ({reason}); the last checkpoint is untouched. Free some space, then "
            "run the same command again to continue."
        ) from exc
