"""Read tensors from safetensors files, or from torch pickles without running their code."""

import pickle
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from cinefoley.errors import WeightsError

__all__ = ["read_torch_file"]

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
# exceptions that the readers raise on files of another format
_DAMAGED = (
    SafetensorError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)


class _Inert:
    """Placeholder for the classes and functions that a file names; accepts any arguments, does nothing."""

    def __new__(cls, *_: Any) -> "_Inert":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Ignore the state."""


def read_torch_file(path: Path, *, inert: Collection[str] = ()) -> Any:
    """Read a safetensors file, or a pickle by torch's ``weights_only`` unpickler, memory-mapped if possible.

    Args:
        path: An existing file.
        inert: Names of other objects that the file may contain; they are replaced by inert placeholders. Any
            other name is an error. Nothing that the file names is imported or called.

    Raises:
        WeightsError: If the file is damaged, truncated, of another format, or contains unknown objects.
    """
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except _DAMAGED as exc:
            raise WeightsError(
                f"{path}: damaged or not a safetensors file ({_first_line(exc)}). Fetch it again."
            ) from exc
    start = _first_bytes(path)
    if not start.startswith((_ZIP, _PICKLE)):
        raise WeightsError(f"{path}: not a PyTorch checkpoint, but {_describe(start)}. Fetch it again.")
    is_zip = start.startswith(_ZIP)
    with torch.serialization.safe_globals([(_Inert, name) for name in inert]):
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip or None)
        except pickle.UnpicklingError as exc:
            foreign = _foreign_names(path, str(exc), inert)
            if foreign:
                raise WeightsError(
                    f"{path}: not loaded, because it contains objects other than tensors "
                    f"({', '.join(foreign)}). No code in it was run. Get the file from a "
                    "source you trust, or as .safetensors."
                ) from exc
            raise WeightsError(f"{path}: damaged or not a PyTorch checkpoint. Fetch it again.") from exc
        except _DAMAGED as exc:
            raise WeightsError(
                f"{path}: damaged, truncated or not a PyTorch checkpoint "
                f"({_first_line(exc)}). Fetch it again."
            ) from exc


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as exc:
        raise WeightsError(f"{path}: cannot be read ({exc.strerror}).") from exc


def _describe(start: bytes) -> str:
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS instead of the file (`git lfs pull` fetches the file)"
    if start.lstrip()[:1] == b"<":
        return "a web page instead of the file"
    return f"a file that begins with {start[:8]!r}"


def _foreign_names(path: Path, message: str, inert: Collection[str]) -> list[str]:
    """Names in the file that are not allowed; of an older, unzipped file only the first one."""
    try:
        return sorted(set(torch.serialization.get_unsafe_globals_in_checkpoint(path)) - set(inert))
    except Exception:  # torch raises many classes on opcodes that it does not know
        named = _GLOBAL.findall(message)
        return named or (["something that torch does not name"] if "blocked" in message else [])


def _first_line(exc: BaseException) -> str:
    text = str(exc).strip()
    return text.splitlines()[0] if text else type(exc).__name__
