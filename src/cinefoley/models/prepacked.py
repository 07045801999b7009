"""Prepacked layers: bfloat16 weights reordered once for oneDNN, for faster inference on CPUs."""

from functools import cache

import torch
from torch import Tensor, nn

__all__ = ["can_prepack", "prepack"]


def prepack(module: nn.Module) -> int:
    """Replace every bfloat16 linear layer and 2-D convolution by one with a packed weight, in place.

    oneDNN, which computes these layers on CPUs, needs weights in blocks. Eager PyTorch reorders them at every
    call: 1.7 GB at each of 25 steps for Diff-Foley's denoiser. This function reorders them once; results
    agree up to rounding. It uses the operators that TorchInductor emits for a frozen model, but needs no
    compilation (minutes) and no fixed shapes.

    The packed layers are for inference only: they have no gradients, cannot be moved to another device, and
    raise an error when saved. The original weights are released.

    Args:
        module: Module to change in place. Only bfloat16 layers are replaced.

    Returns:
        The number of layers packed; 0 if :func:`can_prepack` is false.
    """
    if not can_prepack():
        return 0
    layers = [
        (parent, name, child)
        for parent in module.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear | nn.Conv2d) and _is_packable(child)
    ]
    for parent, name, child in layers:
        packed = _PackedLinear(child) if isinstance(child, nn.Linear) else _PackedConv2d(child)
        parent._modules[name] = packed  # setattr would fail for the numbered children of lists
    return len(layers)


@cache
def can_prepack() -> bool:
    """Whether this PyTorch can pack weights for this processor, and packed layers give the same results."""
    if not torch.backends.mkldnn.is_available():
        return False
    try:
        # the operators are private, so test them instead of comparing versions
        if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        linear = nn.Linear(32, 48, dtype=torch.bfloat16)
        conv = nn.Conv2d(16, 32, 3, padding=1, dtype=torch.bfloat16)
        with torch.no_grad():
            rows = torch.linspace(-1, 1, 3 * 32).view(3, 32).bfloat16()
            maps = torch.linspace(-1, 1, 16 * 25).view(1, 16, 5, 5).bfloat16()
            is_same = torch.allclose(_PackedLinear(linear)(rows), linear(rows), rtol=0.02, atol=0.02)
            is_same &= torch.allclose(_PackedConv2d(conv)(maps), conv(maps), rtol=0.02, atol=0.02)
    except (AttributeError, RuntimeError, TypeError, NotImplementedError):
        return False
    return is_same


class _Packed(nn.Module):
    """A layer with an opaque weight, which is not a parameter, so that no cast or move changes it."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, packed: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = packed
        self.bias = None if bias is None else bias.detach()

    def _save_to_state_dict(self, destination: object, prefix: str, keep_vars: bool) -> None:
        raise RuntimeError(
            f"{prefix.rstrip('.')} is prepacked for this processor and cannot be saved; "
            "load the model again and save that one"
        )


class _PackedLinear(_Packed):
    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach()), linear.bias)
        self.in_features, self.out_features = linear.in_features, linear.out_features

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = torch.ops.mkldnn._linear_pointwise(hidden, self.weight, self.bias, "none", [], "")
        return result


class _PackedConv2d(_Packed):
    """Packs at the first call, because the right block layout of a 1x1 kernel depends on the input size."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(conv.weight.detach(), conv.bias)
        self._window = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self._is_packed = False
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels

    def forward(self, maps: Tensor) -> Tensor:
        if not self._is_packed:  # the block layout does not depend on the batch size
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, *self._window, list(maps.shape)
            )
            self._is_packed = True
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(
            maps, self.weight, self.bias, *self._window, "none", [], ""
        )
        return result


def _is_packable(layer: nn.Linear | nn.Conv2d) -> bool:
    if layer.weight.dtype != torch.bfloat16 or layer.weight.device.type != "cpu":
        return False
    return isinstance(layer, nn.Linear) or (
        layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    )
