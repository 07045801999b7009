"""Input checks of metrics: shape, number of rows, finite numbers, equal widths."""

import torch
from torch import Tensor

__all__ = ["check_rows", "check_widths"]


def check_rows(name: str, role: str, rows: Tensor, *, at_least: int) -> Tensor:
    """Check the rows of a metric's input.

    Args:
        name: Name of the metric, for the message.
        role: Name of the rows, for the message: ``"real features"``.
        rows: ``(N, D)``, any floating dtype; a numpy array is accepted.
        at_least: Number of rows that the metric needs.

    Returns:
        The rows as a tensor, in their own dtype.

    Raises:
        ValueError: If the rows are not ``(N, D)`` numbers, too few, or not finite.
    """
    rows = torch.as_tensor(rows)
    if rows.ndim != 2 or rows.shape[1] < 1 or not rows.is_floating_point():
        raise ValueError(
            f"{name}: {role} must be (N, D) floating point numbers, got {tuple(rows.shape)} {rows.dtype}"
        )
    if len(rows) < at_least:
        raise ValueError(f"{name} needs at least {at_least} rows of {role}, got {len(rows)}")
    finite = rows.isfinite().all(dim=1)
    if not bool(finite.all()):
        bad = (~finite).nonzero().flatten()
        raise ValueError(
            f"{name}: {len(bad)} of {len(rows)} rows of {role} contain NaN or infinite numbers, "
            f"first row {int(bad[0])}"
        )
    return rows


def check_widths(name: str, real: Tensor, generated: Tensor) -> None:
    """Check that two sets have the same width.

    Raises:
        ValueError: If the sets, ``(N, D)`` and ``(M, D')``, differ in width.
    """
    if real.shape[1] != generated.shape[1]:
        raise ValueError(
            f"{name}: real rows have width {real.shape[1]}, generated rows {generated.shape[1]}; both must "
            "come from the same backbone"
        )
