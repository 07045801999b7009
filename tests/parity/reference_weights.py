"""Weights and inputs that depend on nothing but their name, shape and salt.

The fixtures were made with these numbers, so an independent implementation that draws them again must come to
the same outputs. Names are those of the released checkpoints, without ``module.``.
"""

import math
import zlib
from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["draw", "fill_"]

Array = npt.NDArray[np.float32]

_COMPUTED = {"betas", "lvlb_weights", "logvar", "scale_factor"}
_COMPUTED_PREFIXES = ("alphas_cumprod", "sqrt_", "log_", "posterior_")


def draw(
    name: str, shape: tuple[int, ...], salt: str = "shared", kind: Literal["normal", "uniform"] = "normal"
) -> Array:
    """Numbers from N(0, 1), or from U[0, 1)."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(f"{salt}:{name}".encode())))
    if kind == "uniform":
        return generator.random(shape, dtype=np.float32)
    return generator.standard_normal(shape, dtype=np.float32)


def fill_(state: Mapping[str, torch.Tensor], salt: str = "shared") -> None:
    """Fill a state dict in place; schedule buffers are left alone."""
    for name, tensor in state.items():
        values = _value(name, tuple(tensor.shape), salt)
        if values is not None:
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(values)).reshape(tensor.shape))


def _value(name: str, shape: tuple[int, ...], salt: str) -> Array | None:
    leaf = name.rpartition(".")[2]
    if leaf in _COMPUTED or leaf.startswith(_COMPUTED_PREFIXES):
        return None
    match leaf:
        case "num_batches_tracked":
            return np.zeros(shape, np.float32)
        case "running_mean":
            return np.float32(0.1) * draw(name, shape, salt)
        case "running_var":
            return np.float32(0.8) + np.float32(0.4) * draw(name, shape, salt, "uniform")
        case "logit_scale":
            return np.asarray(np.float32(math.log(1 / 0.07)) + np.float32(0.1) * draw(name, shape, salt))
        case "bias":
            return np.float32(0.05) * draw(name, shape, salt)
    if leaf == "weight" and len(shape) == 1:
        return np.float32(1) + np.float32(0.1) * draw(name, shape, salt)
    if name.endswith("pos_emb.weight"):
        return np.float32(0.5) * draw(name, shape, salt)
    gain = math.sqrt(2.0) if math.prod(shape[2:]) > 1 else 1.0
    return np.float32(gain / math.sqrt(max(1, math.prod(shape[1:])))) * draw(name, shape, salt)
