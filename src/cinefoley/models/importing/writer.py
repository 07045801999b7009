"""Write safetensors one tensor at a time, in memory that does not grow with the model."""

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

    The format is a header and the tensors' bytes in a row; ``safetensors.torch.save_file`` would first hold
    all of them in memory.

    Args:
        path: The file.
        tensors: Its content; integers are stored as int64.
        dtype: Of all floating point tensors: float32, float16 or bfloat16.
        on_bytes: Called with the size of every tensor written.

    Returns:
        The file's SHA-256 in hexadecimal.

    Raises:
        CheckpointMismatchError: If a number is not finite, or becomes so in ``dtype``; names the tensor.
        OSError: If the file cannot be written.
    """
    stored = {name: dtype if value.is_floating_point() else torch.int64 for name, value in tensors.items()}
    # widest first: every tensor then lies at a multiple of its own item size
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
                f"{name!r} has numbers beyond {dtype}; store it in float32 or bfloat16"
            )
        raise CheckpointMismatchError(f"{name!r} holds NaN or infinite numbers")
    return converted.reshape(-1).view(torch.uint8).numpy().data
