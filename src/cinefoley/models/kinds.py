"""Kinds that a model knows: mean features of each kind of sound, in a model folder's ``kinds/``."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from cinefoley.errors import CheckpointMismatchError, WeightsError

__all__ = ["KINDS_FOLDER", "Kinds"]

KINDS_FOLDER = "kinds"
"""The part of a model folder."""

_TOWERS = ("video_encoder", "audio_encoder")
_TENSORS = ("video_means", "audio_means", "audio_peaks")
_TEMPERATURE = 0.05  # of similarities between peaks; a kind that is nearest by 0.1 gets most of the weight


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kinds:
    """Mean features of kinds of sound, over clips that hold one kind."""

    names: tuple[str, ...]
    """Names of the K kinds."""
    video_means: Tensor
    """``(K, D)``: video features, unit norm per frame, averaged over time and clips."""
    audio_means: Tensor
    """``(K, D)``: the same of the audio encoder."""
    audio_peaks: Tensor
    """``(K, D)``: audio features of clips, largest over time and of unit norm, averaged over clips."""

    @property
    def video_mean(self) -> Tensor:
        """``(D,)``: mean of all kinds."""
        return self.video_means.mean(dim=0)

    @property
    def audio_mean(self) -> Tensor:
        """``(D,)``: mean of all kinds."""
        return self.audio_means.mean(dim=0)

    def weigh(self, audio_features: Tensor) -> Tensor:
        """How much a sound is of each kind.

        Args:
            audio_features: ``(T, D)``, from the audio encoder, not normalised.

        Returns:
            ``(K,)``, at least 0, sum 1.
        """
        middle = self.audio_peaks.mean(dim=0)
        peak = F.normalize(audio_features.amax(dim=0), dim=-1) - middle
        similarity = F.normalize(self.audio_peaks - middle, dim=-1) @ F.normalize(peak, dim=-1)
        return torch.softmax(similarity / _TEMPERATURE, dim=0)

    def save(self, model: Path) -> None:
        """Write ``kinds/`` into a model folder, with digests of the encoders, in half precision."""
        folder = model / KINDS_FOLDER
        folder.mkdir(exist_ok=True)
        config = {"kinds": list(self.names), "sha256": {name: _digest(model / name) for name in _TOWERS}}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        tensors = {name: getattr(self, name).half().contiguous() for name in _TENSORS}
        save_file(tensors, folder / "model.safetensors")

    @classmethod
    def load(cls, model: Path) -> Self | None:
        """Read ``kinds/`` of a model folder; None if there is none.

        Raises:
            WeightsError: If it is damaged.
            CheckpointMismatchError: If it was made for other encoders.
        """
        folder = model / KINDS_FOLDER
        if not folder.is_dir():
            return None
        try:
            config = json.loads((folder / "config.json").read_text())
            tensors = load_file(folder / "model.safetensors")
            kinds = cls(names=tuple(config["kinds"]), **{name: tensors[name].float() for name in _TENSORS})
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as exc:
            raise WeightsError(f"{folder}: is damaged ({type(exc).__name__}: {exc}).") from exc
        if any(config.get("sha256", {}).get(name) != _digest(model / name) for name in _TOWERS):
            raise CheckpointMismatchError(
                f"{folder}: was made for other encoders than this model's. Make it again with "
                "recipes/kinds.py."
            )
        return kinds

    @classmethod
    def names_of(cls, model: Path) -> tuple[str, ...]:
        """Names of the kinds of a model folder, without loading features; empty if there are none."""
        try:
            return tuple(json.loads((model / KINDS_FOLDER / "config.json").read_text())["kinds"])
        except (OSError, ValueError, KeyError, TypeError):
            return ()


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
