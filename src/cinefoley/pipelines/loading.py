"""Load a model by name, folder or hub id."""

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from cinefoley.errors import CheckpointMismatchError, CinefoleyError, MissingWeightsError
from cinefoley.models.importing.published import PUBLISHED, find_pulled

if TYPE_CHECKING:  # a model is found without loading torch
    import torch

    from cinefoley.models.video_encoder import VideoEncoder

__all__ = ["BUNDLED", "HubOptions", "load_components", "load_video_encoder", "resolve_model"]

BUNDLED = ("lite",)
"""Models inside the package; their names are reserved. Write ``./lite`` for a folder of that name."""


class HubOptions(TypedDict, total=False):
    """Options of downloads from the hub: arguments of ``huggingface_hub.snapshot_download``."""

    revision: str
    cache_dir: str | Path
    local_files_only: bool
    force_download: bool
    token: bool | str
    endpoint: str


def resolve_model(name: str | Path, **hub_options: Unpack[HubOptions]) -> Path:
    """Find the folder of a model.

    Args:
        name: A bundled name, the name of a pulled model, a folder, or a hub id ``owner/name``; only the last
            goes online.
        hub_options: Fields of :class:`HubOptions`, used with a hub id only.

    Raises:
        MissingWeightsError: If there is no such model.
        TypeError: If an option is unknown.
    """
    unknown = sorted(hub_options.keys() - HubOptions.__annotations__.keys())
    if unknown:
        raise TypeError(
            f"unknown arguments: {', '.join(unknown)}. Known are video_encoder, torch_dtype and those "
            f"of the hub: {', '.join(HubOptions.__annotations__)}."
        )
    if str(name) in BUNDLED:
        return Path(str(files("cinefoley"))) / "assets" / str(name)
    if str(name) in PUBLISHED:
        return find_pulled(str(name))
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    parts = str(name).split("/")
    if isinstance(name, Path) or len(parts) != 2 or not all(parts) or parts[0] in (".", "..", "~"):
        raise MissingWeightsError(
            f"No model {str(name)!r}: it is neither bundled ({', '.join(BUNDLED)}), nor published "
            f"({', '.join(PUBLISHED)}), nor a folder, nor a hub id like owner/name."
        )
    return _download(str(name), **hub_options)


def load_components(folder: Path, *, dtype: "torch.dtype | None" = None) -> dict[str, Any]:
    """Load every part of a model folder; every key must match.

    Returns:
        Arguments for ``FoleyPipeline``.

    Raises:
        WeightsError: If a part is missing, damaged or does not fit; the message names it.
    """
    from cinefoley.models.folder import PARTS, load_foley_config, load_part, load_scheduler
    from cinefoley.models.video_encoder import VideoEncoder

    components: dict[str, Any] = {"foley_config": load_foley_config(folder)}
    for name, part_class in PARTS.items():
        components[name] = load_part(folder / name, part_class, dtype=dtype)
    components["scheduler"] = load_scheduler(folder / "scheduler")
    student = folder / "video_encoder_student"
    components["video_encoder_student"] = (
        load_part(student, VideoEncoder, dtype=dtype) if student.is_dir() else None
    )
    return components


def load_video_encoder(
    folder: str | Path, *, feature_dim: int, dtype: "torch.dtype | None" = None
) -> "VideoEncoder":
    """Load a student, or another video encoder, from a folder of its own.

    Args:
        folder: The encoder's folder.
        feature_dim: Width of the features that the generator takes.
        dtype: Data type of the weights in memory; None means float32.

    Raises:
        WeightsError: If the folder contains none, or its features have another width.
    """
    from cinefoley.models.folder import load_part
    from cinefoley.models.video_encoder import VideoEncoder

    encoder = load_part(Path(folder).expanduser(), VideoEncoder, dtype=dtype)
    if encoder.config.feature_dim != feature_dim:
        raise CheckpointMismatchError(
            f"{folder}: its features have width {encoder.config.feature_dim}, this generator needs "
            f"{feature_dim}. Choose an encoder that was trained for it."
        )
    return encoder


def _download(name: str, **hub_options: Unpack[HubOptions]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        patterns = ["*.json", "*.safetensors", "README.md"]
        return Path(snapshot_download(name, allow_patterns=patterns, **hub_options))
    except CinefoleyError:
        raise
    except (
        Exception
    ) as exc:  # the hub's client raises many unrelated classes: HTTP, OS, value and cache errors
        raise MissingWeightsError(
            f"Model {name!r} is neither bundled nor a folder, and could not be downloaded from the hub "
            f"({type(exc).__name__}: {str(exc).splitlines()[0] if str(exc) else 'no details'}). "
            "Check the name and the network, or name a folder."
        ) from exc
