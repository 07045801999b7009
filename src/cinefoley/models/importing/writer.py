"""Write safetensors files one tensor at a time, with memory use independent of the model size."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from cinefoley.errors import CheckpointMismatchError

__all__ = ["write_tensors"]

_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    dtype: torch.dtype = torch.float32,
    on_bytes: Callable[[int], None] | None = None,
) -> str:
    """Write a safetensors file.

    The format is a header, followed by the bytes of all tensors. ``safetensors.torch.save_file`` would load
    all tensors into memory first.

    Args:
        path: File to write.
        tensors: Tensors by name; integers are stored as int64.
        dtype: Dtype of all stored floating point tensors: float32, float16 or bfloat16.
        on_bytes: Called with the size of every written tensor.

    Returns:
        SHA-256 of the file in hexadecimal.

    Raises:
        CheckpointMismatchError: If a number is not finite, or is out of range in ``dtype``. The message names
            the tensor.
        OSError: If the file cannot be written.
    """
    stored = {name: dtype if value.is_floating_point() else torch.int64 for name, value in tensors.items()}
    # widest dtype first, so that every offset is a multiple of the item size
    order = sorted(tensors, key=lambda name: (-stored[name].itemsize, name))
    header = _header(order, tensors, stored)
    digest = hashlib.sha256(header)
    with path.open("wb") as file:
        file.write(header)
        for name in order:
            data = _bytes_of(name, tensors[name], stored[name])
            digest.update(data)
            file.write(data)
            if on_bytes is not None:
                on_bytes(len(data))
    return digest.hexdigest()


def _header(order: list[str], tensors: Mapping[str, Tensor], stored: Mapping[str, torch.dtype]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        shape = list(tensors[name].shape)
        begin, end = end, end + math.prod(shape) * stored[name].itemsize
        entries[name] = {"dtype": _NAMES[stored[name]], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _bytes_of(name: str, tensor: Tensor, dtype: torch.dtype) -> memoryview:
    converted = tensor.to(dtype).contiguous()
    if converted.is_floating_point() and not bool(converted.isfinite().all()):
        if bool(tensor.isfinite().all()):
            raise CheckpointMismatchError(
                f"{name!r} has numbers out of the range of {dtype}; store it in float32 or bfloat16"
            )
        raise CheckpointMismatchError(f"{name!r} contains NaN or infinite numbers")
    return converted.reshape(-1).view(torch.uint8).numpy().data
