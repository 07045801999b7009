"""Reading other people's checkpoints: tensors come in, code does not."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cinefoley.errors import MissingWeightsError, WeightsError

__all__ = ["Checkpoint", "read_checkpoint"]

_SAFETENSORS = ".safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The tensors of one file, under their names without ``module.``."""

    path: Path
    """The file."""
    tensors: dict[str, Tensor]
    """Views into the mapped file: nothing is read until it is used."""
    others: tuple[str, ...] = ()
    """What lies beside the state dict (``optimizer``, ``epoch``), unread."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Open a Lightning or PyTorch pickle, or a safetensors file.

    Pickles are read by torch's ``weights_only`` unpickler, memory-mapped where the format allows it. What
    such files legitimately hold beside tensors (numpy's scalars, Lightning's callback classes) is replaced by
    an inert stand-in; any other name refuses the file, and nothing that it names is imported or called.

    Args:
        path: A dictionary of tensors, or a dictionary with such a ``state_dict``.

    Raises:
        MissingWeightsError: If there is no such file.
        WeightsError: If it is empty, damaged, cut off, no checkpoint, or asks for more than tensors.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "no such file"
        raise MissingWeightsError(
            f"{path}: {found}; expected a checkpoint (.ckpt, .pt, .pth or .safetensors)."
        )
    if path.stat().st_size == 0:
        raise WeightsError(f"{path}: the file is empty (0 bytes). Fetch it again.")
    content = _read_safetensors(path) if path.suffix == _SAFETENSORS else _read_pickle(path)
    state, others = _find_state_dict(path, content)
    return Checkpoint(path=path, tensors=_without_module(path, state), others=others)


class _Inert:
    """Stands for every class and function that a file names beside its tensors; takes all, does nothing."""

    def __new__(cls, *_: Any) -> "_Inert":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Leave the state unread."""


# Diff-Foley's files name the first four, by the hub's own listing of their pickles; the others are what newer
# versions of the same libraries write in their place.
_STAND_INS: list[Any] = [
    (_Inert, name)
    for name in (
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
]


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as exc:
        raise WeightsError(
            f"{path}: damaged or not a safetensors file ({_first_line(exc)}). Fetch it again."
        ) from exc


def _read_pickle(path: Path) -> Any:
    is_zip = _is_zip(path)
    with torch.serialization.safe_globals(_STAND_INS):
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip or None)
        except pickle.UnpicklingError as exc:
            foreign = _foreign_names(path) if is_zip else []
            if foreign or "nsupported" in str(exc) or "blocked" in str(exc):
                names = ", ".join(foreign) or _first_line(exc)
                raise WeightsError(
                    f"{path}: refused, because it asks to run more than tensors need ({names}). "
                    "Nothing in it was run. Get the file from a source you trust, or as .safetensors."
                ) from exc
            raise WeightsError(
                f"{path}: not a PyTorch checkpoint ({_first_line(exc)}). Fetch it again."
            ) from exc
        except (
            RuntimeError,
            EOFError,
            OSError,
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
        ) as exc:
            raise WeightsError(
                f"{path}: damaged, cut off or not a PyTorch checkpoint ({_first_line(exc)}). Fetch it again."
            ) from exc


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _foreign_names(path: Path) -> list[str]:
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # it meets opcodes it does not know; the refusal stands without the names
        return []


def _find_state_dict(path: Path, content: Any) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The dictionary of tensors, and the names of all that lies beside it."""
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        others = tuple(str(key) for key in content if key != "state_dict")
        return content["state_dict"], others
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(
            f"{path}: holds a {type(content).__name__}, but no dictionary of tensors, neither bare nor under "
            "'state_dict'."
        )
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    return tensors, tuple(str(key) for key in content if key not in tensors)


def _without_module(path: Path, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Names without the ``module.`` that data-parallel wrappers leave anywhere in them."""
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


def _first_line(exc: BaseException) -> str:
    text = str(exc).strip()
    return text.splitlines()[0] if text else type(exc).__name__
