"""Run folder: lock, ``run.json``, ledger, trained parts and model card of one training run."""

import importlib.util
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch

from cinefoley import __version__
from cinefoley.config.training import OPTIMIZERS, TrainConfig
from cinefoley.data.json_lines import Record, write_json, write_records
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.errors import CheckpointMismatchError, CinefoleyError, DataError, OutputError
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.files.folder_lock import locked_folder
from cinefoley.training.engine.loop import fit
from cinefoley.training.engine.task import Task
from cinefoley.training.run_settings import RunSettings

__all__ = ["RunFolder", "TrainingClips", "locked_run", "opened_run"]


class TrainingClips(Protocol):
    """What ``run.json`` records of the training clips."""

    @property
    def digest(self) -> str:
        """A hash of the content of all clips and of how they were read."""
        ...

    @property
    def ledger(self) -> Sequence[Record]:
        """Skipped clips: ``id``, ``reason``, ``message``."""
        ...

    def __len__(self) -> int: ...


_CARD = """---
library_name: cinefoley
tags: [video-to-audio, foley]
---
# {stage}

Trained by `cinefoley {command}` (cinefoley {version}, torch {torch}), preset `{preset}`.

- **Data**: {clips} clips of {source}; {skipped}. Digest of the data: `{digest}`.
- **Recipe**: {steps} steps of {batch} clips, {optimizer} at {rate:g} ({schedule}, {warmup} warm-up steps),
  seed {seed}, {arithmetic}.
- **Started from**: {parts}; first weights: {init}.
- **Last line of the log**: `{last}`

Use it as a part of a model folder: {use}
"""


@contextmanager
def opened_run(run_dir: Path) -> Iterator["RunFolder"]:
    """Hold a run folder's lock from the first clip to the last part, after checking that training can begin.

    Raises:
        CinefoleyError: If the `train` extra is not installed.
        OutputError: If another run holds the folder, or it cannot be created.
    """
    if importlib.util.find_spec("accelerate") is None:  # now rather than after hours of decoding
        raise CinefoleyError(
            "Training needs accelerate, which is not installed. Install it with "
            "`pip install 'cinefoley[train]'`."
        )
    is_main = int(os.environ.get("RANK", "0")) == 0  # torchrun sets it; a single process has none
    with locked_run(run_dir) if is_main else nullcontext():
        yield RunFolder(run_dir, is_main=is_main)


def locked_run(run_dir: Path) -> AbstractContextManager[None]:
    """Hold a run folder's lock, so that a second run in it is refused at once; creates the folder.

    Raises:
        OutputError: If another run holds it, or it cannot be created.
    """
    return locked_folder(
        run_dir,
        lock_name="run.lock",
        refusal="is in use by another run; stop that one or name another folder with --run-dir.",
    )


class RunFolder:
    """Writes what a run leaves beside its checkpoint: ``run.json``, ``ledger.jsonl``, parts, model card.

    Args:
        path: The folder.
        is_main: Whether this is the rank that writes.
    """

    def __init__(self, path: Path, *, is_main: bool = True) -> None:
        self.path = path
        self.is_main = is_main
        """Whether this rank writes."""
        self._record: Record = {}
        self._clips: TrainingClips | None = None

    def begin(
        self,
        stage: str,
        preset: str,
        source: str,
        clips: TrainingClips,
        parts: Mapping[str, str],
        *,
        init: Sequence[str] = (),
    ) -> None:
        """Record what this run is, or check that the folder holds the same run.

        Args:
            stage: Such as ``"ldm"``.
            preset: Name of the recipe.
            source: Name of the source of the clips.
            clips: Training clips.
            parts: Digest of each part that the run starts from.
            init: Origin of its first weights.

        Raises:
            CheckpointMismatchError: If the folder holds another run.
            OutputError: If it cannot be written.
        """
        self._clips = clips
        if not self.is_main:  # its machine may have an old run in a folder of this name
            return
        self._record = {
            "stage": stage,
            "preset": preset,
            "data_digest": clips.digest,
            "parts": dict(parts),
        }
        path = self.path / "run.json"
        if path.exists():
            try:
                found = json.loads(path.read_bytes())
                init = found.get("init", init)  # the origin of the first start
                changes = [
                    f"{name} {_short(found[name])} there, {_short(value)} here"
                    for name, value in self._record.items()
                    if found[name] != value
                ]
            except (ValueError, KeyError, TypeError) as exc:
                raise CheckpointMismatchError(
                    f"{path}: is damaged ({type(exc).__name__}). Name another folder with --run-dir."
                ) from exc
            if changes:
                raise CheckpointMismatchError(
                    f"{self.path}: holds another run ({'; '.join(changes)}). Repeat its settings to "
                    "resume it, or name another folder with --run-dir."
                )
        self._record |= {
            "source": source,
            "init": list(init),
            "num_clips": len(clips),
            "left_out": dict(Counter(entry["reason"] for entry in clips.ledger)),
            "versions": {"cinefoley": __version__, "torch": torch.__version__},
        }
        if not path.exists():
            self._write_record()

    def require_clips(self, clips: TrainingClips, source: ClipSource) -> None:
        """Stop, with the reasons in ``ledger.jsonl``, if no clip of a source can be used.

        Raises:
            DataError: If all clips are skipped.
            OutputError: If the ledger cannot be written.
        """
        if len(clips):
            return
        self._write_ledger(clips)
        first = clips.ledger[0]
        raise DataError(
            f"{source.name}: none of {len(source)} clips can be used; {self.path / 'ledger.jsonl'} has the "
            f"reasons ({first['id']}: {first['reason']})."
        )

    def train(self, task: Task, config: TrainConfig, settings: RunSettings, **record: Any) -> None:
        """Train a task in this folder, from where the last run in it stopped.

        The ledger, and the settings in ``run.json``, are written once the engine knows that its checkpoint
        fits; see :func:`~cinefoley.training.engine.loop.fit` for the errors.

        Args:
            task: What is trained.
            config: The engine's settings.
            settings: Device and callbacks.
            record: More entries for ``run.json``.
        """
        fit(
            task,
            config,
            self.path,
            device=settings.device,
            on_begin=partial(self.record_start, config, **record),
            on_log=settings.on_log,
            show_progress=settings.shows_progress,
        )

    def record_start(self, config: TrainConfig, arithmetic: str, **record: Any) -> None:
        """Write ``ledger.jsonl``, and the engine's settings into ``run.json``.

        Args:
            config: The settings.
            arithmetic: Number format of the forward pass, in words.
            record: More entries.

        Raises:
            OutputError: If they cannot be written.
        """
        assert self._clips is not None, "begin first"
        self._write_ledger(self._clips)
        self._record |= {"train": asdict(config), "arithmetic": arithmetic, **record}
        self._write_record()

    def write_part(self, name: str, save: Callable[[Path], None]) -> Path:
        """Write the folder of a trained part atomically; it replaces an earlier one.

        Raises:
            OutputError: If there is no space.
        """
        target, aside = self.path / name, self.path / f".{name}.part"
        if not self.is_main:
            return target
        shutil.rmtree(aside, ignore_errors=True)
        try:
            save(aside)
            shutil.rmtree(target, ignore_errors=True)
            aside.replace(target)
        except Exception as exc:
            shutil.rmtree(aside, ignore_errors=True)
            if isinstance(exc, OSError) or "No space left" in str(exc) or "File too large" in str(exc):
                raise OutputError(
                    f"{target}: cannot be written ({exc}). The checkpoint is kept: free some space and run "
                    "the same command again."
                ) from exc
            raise
        return target

    def write_card(self, command: str, use: str) -> None:
        """Write the model card ``README.md``: data, recipe, origin and the last line of the log.

        Args:
            command: The ``cinefoley`` command that trains such a part.
            use: How to use the part.

        Raises:
            OutputError: If there is no space.
        """
        if not self.is_main:
            return
        record, train = self._record, self._record["train"]
        skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(record["left_out"].items()))
        text = _CARD.format(
            stage=record["stage"],
            command=command,
            version=__version__,
            torch=torch.__version__,
            preset=record["preset"],
            clips=record["num_clips"],
            source=record["source"],
            skipped=f"skipped: {skipped} (`ledger.jsonl`)" if skipped else "none skipped",
            digest=record["data_digest"][:16],
            steps=train["steps"],
            batch=train["batch_size"],
            optimizer=OPTIMIZERS[train["optimizer"]],
            rate=train["learning_rate"],
            schedule=train["schedule"],
            warmup=train["warmup_steps"],
            seed=train["seed"],
            arithmetic=record["arithmetic"],
            parts=", ".join(f"{name} `{digest[:16]}`" for name, digest in record["parts"].items())
            or "nothing",
            init=", ".join(record["init"]) or "random",
            last=json.dumps(self.last_line()),
            use=use,
        )
        with atomic_write(self.path / "README.md") as temporary:
            temporary.write_text(text, encoding="utf-8")

    def last_line(self) -> dict[str, Any]:
        """The last line of ``log.jsonl``; empty without one."""
        try:
            lines = (self.path / "log.jsonl").read_text().splitlines()
        except OSError:
            return {}
        return dict(json.loads(lines[-1])) if lines else {}

    def _write_ledger(self, clips: TrainingClips) -> None:
        if self.is_main:
            write_records(self.path / "ledger.jsonl", clips.ledger)

    def _write_record(self) -> None:
        if self.is_main:
            write_json(self.path / "run.json", self._record)


def _short(value: object) -> str:
    """A value for a message; of a digest, the first digits."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(entry)}" for key, entry in value.items()) or "none"
    text = str(value)
    return text[:12] if len(text) == 64 else text
