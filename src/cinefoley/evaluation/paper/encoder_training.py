"""Train the encoders of a table: students by distillation, and encoders trained without a teacher."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from cinefoley.data.cache.tensor_files import claimed_cache
from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.data.sources.file_digests import FileDigests
from cinefoley.distillation.no_teacher import train_without_teacher
from cinefoley.distillation.presets import DistillationPreset, distillation
from cinefoley.distillation.run import DistillSettings, distill
from cinefoley.errors import CheckpointMismatchError, MissingWeightsError
from cinefoley.evaluation.paper.model_parts import part_digest
from cinefoley.evaluation.paper.tables import Encoder

__all__ = ["EncoderTraining", "TrainingPlan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """How the encoders of a reproduction are trained."""

    source: ClipSource
    """Training clips."""
    runs_dir: Path
    """Folder of the run folders."""
    cache_dir: Path
    """Folder of cached frames and features."""
    clip_s: float
    """Seconds of each clip that are used."""
    workers: int = 1
    """Decoding processes."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the engine in place of the paper's, such as a smoke run's few steps."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of :meth:`DistillationRecipe.with_options`, for every encoder."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where features are computed."""
    on_prepared: Callable[[str, int, int], None] | None = None
    """Called while clips and features are prepared."""
    shipped: Path | None = None
    """Student to compare in place of the model's own."""
    shows_progress: bool = False
    """Whether the engine draws a progress bar."""


class EncoderTraining:
    """Trains the encoders of a table, each in a run folder of its name.

    Args:
        plan: On which clips and how.
        model: Model whose teacher they start from.
        model_folder: Its folder.
    """

    def __init__(self, plan: TrainingPlan, model: str | Path, model_folder: Path) -> None:
        self._plan, self._model, self._model_folder = plan, model, model_folder

    def run_dir(self, encoder: Encoder) -> Path:
        """The run folder of an encoder."""
        return self._plan.runs_dir / encoder.name

    def identity(self, encoder: Encoder) -> Record:
        """All that decides an encoder, ready for JSON; empty for the teacher."""
        method, plan = encoder.method, self._plan
        if method.is_shipped:
            return {"weights": part_digest(self._shipped())}
        if method.preset is None:
            return {}
        recipe = distillation(method.preset).with_options(**plan.options)
        overrides = {**plan.overrides, "seed": encoder.seed}
        return {
            "has_teacher": method.has_teacher,
            "recipe": json.loads(json.dumps(asdict(recipe))),
            "train": asdict(recipe.schedule.train_config(len(plan.source), **overrides)),
            "clips": self._clips_digest,
            "clip_s": plan.clip_s,
            "audio_encoder": None
            if method.has_teacher
            else part_digest(self._model_folder / "audio_encoder"),
        }

    def train(self, encoder: Encoder) -> tuple[Path | None, Record]:
        """Train an encoder, or find it trained.

        Returns:
            Its folder, None for the teacher; and its ``run.json`` with the last line of the log as ``last``
            and the digest of the weights.

        Raises:
            CheckpointMismatchError: If the run folder holds a training with other settings.
            MissingWeightsError: If it is trained without a teacher and the model has no audio encoder.
        """
        method = encoder.method
        if method.is_shipped:
            return self._shipped(), {"weights": part_digest(self._shipped())}
        if method.preset is None:
            return None, {}
        run_dir = self.run_dir(encoder)
        # a finished run costs no step, and one with other settings is an error
        train = distill if method.has_teacher else train_without_teacher
        result = train(self._plan.source, self._student_settings(method.preset, encoder.seed, run_dir))
        folder = run_dir / "video_encoder"
        run = json.loads((run_dir / "run.json").read_bytes()) | {"last": dict(result.last)}
        run.pop("init")  # a path of this machine; the digests identify the weights
        wanted = self._plan.overrides.get("precision", "auto")
        if wanted not in ("auto", run["arithmetic"]):
            raise CheckpointMismatchError(
                f"{run_dir}: was trained in {run['arithmetic']}, this asks for {wanted}. Leave --precision "
                "out, or name another folder with -o."
            )
        return folder, run | {"weights": part_digest(folder)}

    def _shipped(self) -> Path:
        folder = self._plan.shipped or self._model_folder / "video_encoder_student"
        if not folder.is_dir():
            raise MissingWeightsError(f"{folder}: {self._model} has no student. Name one with --student.")
        return folder

    @cached_property
    def _clips_digest(self) -> str:
        cache = self._plan.cache_dir
        with claimed_cache(cache), FileDigests(cache / "digests.jsonl") as digests:
            fingerprints = self._plan.source.fingerprints(digests.sha256)
        return hashlib.sha256("\n".join(fingerprints).encode()).hexdigest()

    def _student_settings(self, preset: DistillationPreset, seed: int, run_dir: Path) -> DistillSettings:
        plan = self._plan
        return DistillSettings(
            recipe=distillation(preset).with_options(**plan.options),
            teacher=self._model,
            run_dir=run_dir,
            cache_dir=plan.cache_dir,
            clip_s=plan.clip_s,
            workers=plan.workers,
            device=plan.device,
            overrides={**plan.overrides, "seed": seed},
            on_prepared=plan.on_prepared,
            shows_progress=plan.shows_progress,
        )
