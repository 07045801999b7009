"""Read published weight files of backbones safely: only tensors, no code."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from cinefoley.errors import MissingWeightsError, WeightsError
from cinefoley.models.importing.torch_files import read_torch_file
from cinefoley.models.strict_state import check_state

__all__ = ["file_digest", "fill_strictly", "read_weights"]

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def read_weights(path: Path, *, under: str | None = None) -> tuple[dict[str, Tensor], str]:
    """Read a flat dictionary of tensors.

    Pickles go through torch's ``weights_only`` unpickler. PANNs' file also contains the numpy state of a
    sampler, which is replaced by inert placeholders. Any other name is an error.

    Args:
        path: A ``.pth`` pickle or a ``.safetensors`` file.
        under: Key of the dictionary, if the pickle has other entries; a flat dictionary is accepted too.

    Returns:
        Tensors by name, and the file's SHA-256.

    Raises:
        MissingWeightsError: If the file does not exist.
        WeightsError: If it is empty, damaged, not a checkpoint, or contains unknown objects.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "no such file"
        raise MissingWeightsError(f"{path}: {found}; expected weights (.pth or .safetensors).")
    if path.stat().st_size == 0:
        raise WeightsError(f"{path}: the file is empty (0 bytes). Fetch it again.")
    content = read_torch_file(path, inert=_INERT)
    if under is not None and isinstance(content, Mapping) and isinstance(content.get(under), Mapping):
        content = content[under]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: contains a {type(content).__name__}, but no dictionary of tensors.")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{path}: {key!r} is a {type(value).__name__}, not a named tensor.")
    return dict(content), file_digest(path)


def fill_strictly(build: Callable[[], ModuleT], tensors: Mapping[str, Tensor], *, path: Path) -> ModuleT:
    """Build a network in float32 and load all of its tensors.

    Args:
        build: Function that returns the network.
        tensors: State dict with exactly the keys of the network.
        path: File of the tensors, for the message.

    Raises:
        CheckpointMismatchError: If a key is missing or unexpected, a shape differs, or a number is
            not finite.
    """
    with torch.device("meta"):  # drawing random weights would take longer than reading the real ones
        module = build()
    name = type(module).__name__
    check_state(module, tensors, path, wanted_by=name, fits=name, remedy="Fetch it again.")
    expected = module.state_dict()
    state = {key: value.to(expected[key].dtype) for key, value in tensors.items()}
    module.load_state_dict(state, assign=True)
    return module.eval().requires_grad_(False)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# names in the published PANNs file other than tensors, and the names that newer numpy versions write instead
_INERT = (
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.dtypes.Int64DType",
    "numpy.dtypes.Float64DType",
    "numpy.dtypes.UInt32DType",
)
