"""Digests of the stage and of everything that measures on it; a change in one voids earlier tables."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from cinefoley.metrics.backbones.lite import LITE_FOLDER
from cinefoley.metrics.backbones.weights import file_digest
from cinefoley.metrics.onsets import detect_onsets
from cinefoley.pipelines.loading import resolve_model
from cinefoley.stage import draw_take, stage_digest
from cinefoley.stage.kinds import KINDS

__all__ = ["FROZEN_FILE", "frozen_digests", "onset_digest"]

FROZEN_FILE = Path(__file__).parents[2] / "assets" / "frozen.json"
"""The digests at the time when stage and metrics were frozen."""

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_RATE = 16000


def frozen_digests(model: str = "lite") -> dict[str, str]:
    """SHA-256 of the stage, of all that measures, and of the teacher that the alignment classifier uses.

    Args:
        model: Model with the alignment classifier.

    Returns:
        ``stage``, ``onset_detector``, ``audio_classifier``, ``alignment``, ``vae`` and ``video_encoder``.

    Raises:
        MissingWeightsError: If there is no such model.
        OSError: If one of its parts is missing.
    """
    folder = resolve_model(model)
    digests = {"stage": stage_digest(), "onset_detector": onset_digest()}
    digests["audio_classifier"] = file_digest(LITE_FOLDER / "model.safetensors")
    for part in ("alignment", "vae", "video_encoder"):
        digests[part] = file_digest(folder / part / _WEIGHTS)
    return digests


def onset_digest() -> str:
    """SHA-256 over the onsets that the detector finds in one clip of every kind, to 10 ms."""
    digest = hashlib.sha256()
    for number, actor in enumerate(KINDS):
        take = draw_take(number, split="train", duration_s=4.0, kind=actor.kind)
        onsets = detect_onsets(torch.from_numpy(take.waveform(_RATE)), sample_rate=_RATE)
        digest.update(json.dumps(np.rint(onsets * 100).astype(int).tolist()).encode())
    return digest.hexdigest()
