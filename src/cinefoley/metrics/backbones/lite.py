"""Backbone lite: a small audio classifier trained on the Foley stage, bundled with the package."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.errors import CheckpointMismatchError, MissingWeightsError, WeightsError
from cinefoley.metrics.backbones.network import NetworkBackbone
from cinefoley.metrics.backbones.panns import log_mel
from cinefoley.metrics.backbones.protocol import Embedding
from cinefoley.metrics.backbones.weights import fill_strictly, read_weights

__all__ = ["LITE_FOLDER", "LiteBackbone", "LiteNet"]

LITE_FOLDER = Path(__file__).parents[2] / "assets" / "lite_backbone"
"""Folder of the bundled weights."""

_RATE = 16000
_SHORTEST = 31 * 160


class LiteNet(nn.Module):
    """Small Cnn14 with the same front-end and pooling, and fewer channels (2.1 M parameters).

    Its numbers are not comparable with those of PANNs, because it was trained only on the stage.

    Args:
        num_classes: Number of classes.
        channels: Channels per block; each block halves time and bands, except the last.
    """

    def __init__(self, num_classes: int, channels: Sequence[int] = (24, 48, 96, 160, 256)) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(64)
        widths = [1, *channels]
        self.blocks = nn.ModuleList(
            nn.Sequential(*_layers(before, after), *_layers(after, after))
            for before, after in pairwise(widths)
        )
        self.embedding = nn.Linear(channels[-1], 512)
        self.classifier = nn.Linear(512, num_classes)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Classify log-mels ``(B, T, 64)``, T >= 32: features ``(B, 512)`` and logits ``(B, C)``."""
        hidden = self.norm(mel.transpose(1, 2)).transpose(1, 2)[:, None]
        for number, block in enumerate(self.blocks, start=1):
            hidden = block(hidden)
            if number < len(self.blocks):
                hidden = F.avg_pool2d(hidden, 2)
        hidden = hidden.mean(dim=3)
        features = F.relu(self.embedding(hidden.amax(dim=2) + hidden.mean(dim=2)))
        return features, self.classifier(features)


class LiteBackbone(NetworkBackbone):
    """The small classifier with its front-end; a :class:`~cinefoley.metrics.backbones.protocol.Backbone`.

    A clip of at least 0.31 s gives features ``(512,)`` and logits of the stage's classes.

    Args:
        folder: Folder with ``config.json`` (``classes``, ``channels``) and ``model.safetensors``.
        device: Device that the network runs on.

    Raises:
        MissingWeightsError: If the folder or a file does not exist.
        WeightsError: If a file is damaged or does not fit.
    """

    name = "lite"
    sample_rate = _RATE
    shortest = _SHORTEST

    def __init__(self, folder: Path = LITE_FOLDER, *, device: torch.device | str = "cpu") -> None:
        self.classes, channels = _read_config(folder)
        weights = folder / "model.safetensors"
        tensors, digest = read_weights(weights)
        network = fill_strictly(lambda: LiteNet(len(self.classes), channels), tensors, path=weights)
        super().__init__(network, digest, device=device)

    def _embed(self, waveform: Tensor) -> Embedding:
        features, logits = self._network(log_mel(waveform.to(self._device))[None])
        return Embedding(features[0].cpu(), logits[0].cpu())


def _layers(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]


def _read_config(folder: Path) -> tuple[list[str], list[int]]:
    path = folder / "config.json"
    if not path.is_file() or not (folder / "model.safetensors").is_file():
        raise MissingWeightsError(
            f"The weights of the 'lite' backbone are not in {folder} (expected config.json and "
            "model.safetensors). Use another backbone (`cinefoley models pull panns`), or pass a folder "
            "that contains them."
        )
    try:
        config = json.loads(path.read_text())
        classes, channels = [str(name) for name in config["classes"]], [int(c) for c in config["channels"]]
    except (ValueError, KeyError, TypeError) as exc:
        raise WeightsError(f"{path}: damaged ({exc}). Fetch or save it again.") from exc
    if not classes or not channels or min(channels) < 1:
        raise CheckpointMismatchError(f"{path}: needs at least one class and one block of channels.")
    return classes, channels
