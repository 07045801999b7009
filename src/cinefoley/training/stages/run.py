"""Train a stage of Diff-Foley: from clips to the parts that a model folder takes, resumable."""

from collections.abc import Callable, Mapping

from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.training.run_folder import opened_run
from cinefoley.training.run_settings import RunResult
from cinefoley.training.stages.alignment import train_alignment
from cinefoley.training.stages.autoencoder import train_autoencoder
from cinefoley.training.stages.cavp import train_cavp
from cinefoley.training.stages.ldm import train_ldm
from cinefoley.training.stages.settings import Stage, StageSettings
from cinefoley.training.stages.stage_run import StageRun

__all__ = ["train_stage"]

_STAGES: Mapping[Stage, Callable[[StageRun], RunResult]] = {
    "cavp": train_cavp,
    "autoencoder": train_autoencoder,
    "ldm": train_ldm,
    "alignment": train_alignment,
    "guidance": train_alignment,
}


def train_stage(stage: Stage, source: ClipSource, settings: StageSettings) -> RunResult:
    """Train one stage to its end, from where the last run in its folder stopped.

    Args:
        stage: ``"cavp"``, which writes ``video_encoder/`` and ``audio_encoder/``; ``"autoencoder"``, which
            writes ``vae/``; and, starting from ``video_encoder/`` and ``vae/``: ``"ldm"``, which writes
            ``unet/``, ``conditioner/`` and ``scheduler/``, ``"alignment"``, which writes the alignment
            classifier, ``alignment/``, and ``"guidance"``, which writes ``guidance_classifier/``.
        source: The clips.
        settings: The other settings.

    Returns:
        The parts, what they were trained on, and the last line of the log.

    Raises:
        DataError: If no clip can be used.
        MissingWeightsError: If a part that the stage starts from is missing.
        CheckpointMismatchError: If a part, or what is in the run folder, belongs to other settings.
        RunInterrupted: On SIGTERM or SIGINT, after the state was saved.
        OutputError: If something cannot be written; finished work stays.
        CinefoleyError: If another run holds the folder.
    """
    with opened_run(settings.run_dir) as folder:
        return _STAGES[stage](StageRun(stage, source, settings, folder))
