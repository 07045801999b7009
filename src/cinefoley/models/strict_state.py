"""Strict check of a state dict: every key of the network, no other, right shapes, finite numbers."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from cinefoley.errors import CheckpointMismatchError

__all__ = ["check_state"]


def check_state(
    module: nn.Module, state: Mapping[str, Tensor], path: Path, *, wanted_by: str, fits: str, remedy: str
) -> None:
    """Refuse a state dict that is not exactly the network's.

    Args:
        module: The network; its values are not read, so it may be on the meta device.
        state: Tensors by key.
        path: File or folder of the tensors, for messages.
        wanted_by: What determines keys and shapes: the network's name, or its configuration.
        fits: The same in the message about keys.
        remedy: What to do about numbers that are not finite.

    Raises:
        CheckpointMismatchError: If a key is missing or unexpected, a shape differs, or a number is not
            finite; names the first.
    """
    expected = module.state_dict()
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    if missing or unexpected:
        raise CheckpointMismatchError(
            f"{path} does not fit {fits}: {len(missing)} keys missing, {len(unexpected)} unexpected, first "
            f"{(missing or unexpected)[0]!r}."
        )
    for key, value in state.items():
        if value.shape != expected[key].shape:
            raise CheckpointMismatchError(
                f"{path}: {key!r} has shape {tuple(value.shape)}, {wanted_by} expects "
                f"{tuple(expected[key].shape)}."
            )
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise CheckpointMismatchError(f"{path}: {key!r} contains NaN or infinite numbers. {remedy}")
