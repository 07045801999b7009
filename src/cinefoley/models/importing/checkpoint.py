"""Read foreign checkpoints safely: state dicts only, no pickled code."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cinefoley.errors import MissingWeightsError, WeightsError
from cinefoley.models.importing.torch_files import read_torch_file

__all__ = ["Checkpoint", "read_checkpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Tensors of one file, with ``module.`` removed from their names."""

    path: Path
    """The file."""
    tensors: dict[str, Tensor]
    """Views into the memory-mapped file; data is read on first use."""
    others: tuple[str, ...] = ()
    """Names of the other entries in the file (``optimizer``, ``epoch``); their values are not read."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Open a Lightning or PyTorch pickle, or a safetensors file.

    Pickles are read by torch's ``weights_only`` unpickler, memory-mapped where the format allows it. Known
    objects other than tensors (numpy's scalars, Lightning's callback classes) are replaced by an inert
    placeholder. Any other name is an error. Nothing that the file names is imported or called.

    Args:
        path: File that contains a dictionary of tensors, directly or under ``state_dict``.

    Raises:
        MissingWeightsError: If the file does not exist.
        WeightsError: If it is empty, damaged, truncated, not a checkpoint, or contains unknown objects.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "no such file"
        raise MissingWeightsError(
            f"{path}: {found}; expected a checkpoint (.ckpt, .pt, .pth or .safetensors)."
        )
    if path.stat().st_size == 0:
        raise WeightsError(f"{path}: the file is empty (0 bytes). Fetch it again.")
    state, others = _find_state_dict(path, read_torch_file(path, inert=_INERT))
    return Checkpoint(path=path, tensors=_without_module(path, state), others=others)


# Names in the pickles. Diff-Foley's files contain the first four, as the hub lists them; newer versions of
# the same libraries write the others.
_INERT = (
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "numpy._core.multiarray.scalar",
    "numpy.dtypes.Float32DType",
    "numpy.dtypes.Float64DType",
    "numpy.dtypes.Int64DType",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.callbacks.lr_monitor.LearningRateMonitor",
    "argparse.Namespace",
)


def _find_state_dict(path: Path, content: Any) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return the dictionary of tensors, and the names of all other entries."""
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        others = tuple(str(key) for key in content if key != "state_dict")
        return content["state_dict"], others
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(
            f"{path}: contains a {type(content).__name__}, but no dictionary of tensors, neither directly "
            "nor under 'state_dict'."
        )
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    return tensors, tuple(str(key) for key in content if key not in tensors)


def _without_module(path: Path, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Remove ``module.``, which data-parallel wrappers insert, from all names."""
    tensors: dict[str, Tensor] = {}
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f"{path}: {key!r} in its state dict is a {type(value).__name__}, not a named tensor."
            )
        name = key.replace("module.", "")
        if name in tensors:
            raise WeightsError(f"{path}: {key!r} and another key are both {name!r} without 'module.'.")
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise WeightsError(f"{path}: {key!r} is not a plain tensor ({value.layout}, {value.device}).")
        tensors[name] = value.detach()
    return tensors
