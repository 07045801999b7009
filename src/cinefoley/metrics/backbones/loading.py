"""Load a backbone by name."""

from pathlib import Path
from typing import Literal, get_args

import torch

from cinefoley.metrics.backbones.lite import LITE_FOLDER, LiteBackbone
from cinefoley.metrics.backbones.panns import PannsBackbone
from cinefoley.metrics.backbones.protocol import Backbone
from cinefoley.metrics.backbones.vggish import VggishBackbone
from cinefoley.models.importing.backbones import PUBLISHED_BACKBONES, find_backbone

__all__ = ["BackboneName", "load_backbone"]

BackboneName = Literal["panns", "vggish", "lite"]
"""Names of the backbones."""


def load_backbone(
    name: BackboneName, weights: Path | str | None = None, *, device: torch.device | str = "cpu"
) -> Backbone:
    """Load a backbone.

    Args:
        name: ``"panns"`` for FD, KID, KL and IS, ``"vggish"`` for FAD, or ``"lite"``, a small classifier
            trained on the stage, whose numbers are not comparable with any others.
        weights: File of the weights (``lite``: folder). None uses the file that ``cinefoley models pull``
            downloaded and requires the published digest. The digest of a given file is not checked; results
            record it.
        device: Device that the network runs on.

    Returns:
        The network; its ``embed`` returns features and logits.

    Raises:
        MissingWeightsError: If the weights are missing. The message names the command that downloads them.
        WeightsError: If they are damaged, have another digest, or belong to another network.
        ValueError: If the name is unknown.
    """
    if name not in get_args(BackboneName):
        raise ValueError(f"backbone must be one of {get_args(BackboneName)}, got {name!r}")
    if name == "lite":
        return LiteBackbone(LITE_FOLDER if weights is None else Path(weights), device=device)
    path = Path(weights) if weights is not None else find_backbone(PUBLISHED_BACKBONES[name])
    backbone = PannsBackbone(path, device=device) if name == "panns" else VggishBackbone(path, device=device)
    if weights is None:
        PUBLISHED_BACKBONES[name].check(path, backbone.digest)
    return backbone
