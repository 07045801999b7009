"""Kernel inception distance (KID) between two sets of features, and its weighted form for resamplings."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cinefoley.metrics.functional.checks import check_rows, check_widths

__all__ = ["kernel_inception_distance", "weighted_kernel_distance"]

_NAME = "Kernel inception distance"
_BLOCK = 512  # rows of a kernel matrix in memory at a time

_Draw = tuple[Tensor, Tensor]
_Kernel = Callable[[Tensor], Tensor]


def kernel_inception_distance(
    real: Tensor,
    generated: Tensor,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Unbiased squared maximum mean discrepancy, averaged over random subsets.

    Source: Binkowski et al., *Demystifying MMD GANs*, ICLR 2018; kernel ``(gamma x . y + coef0)^degree``. The
    subsets are the same as in audioldm_eval.

    Args:
        real: Features of the reference audio, ``(N, D)``, N >= 2.
        generated: Features of the generated audio, ``(M, D)``, M >= 2.
        subsets: Number of subsets to draw.
        subset_size: Rows of each side in a subset, at least 2; at most the rows of the smaller set.
        seed: Seed of the draws, which depend only on it and on the sizes.
        degree: Degree of the polynomial.
        gamma: Scale of the polynomial; ``1 / D`` if None.
        coef0: Constant of the polynomial.

    Returns:
        Mean and population standard deviation over subsets, scalars in float64 (float32 sums drift in the
        fourth digit). Lower is better; small negative values are possible, because the estimator is unbiased.
        The paper's tables print the mean times 1000.

    Raises:
        ValueError: If a set has fewer than 2 rows or a number that is not finite, the widths D differ, or
            there are no subsets, or subsets of fewer than 2.

    Examples:
        >>> kernel_inception_distance(torch.zeros(4, 8), torch.zeros(6, 8))
        (tensor(0., dtype=torch.float64), tensor(0., dtype=torch.float64))
    """
    real = check_rows(_NAME, "real features", real, at_least=2)
    generated = check_rows(_NAME, "generated features", generated, at_least=2)
    check_widths(_NAME, real, generated)
    if subsets < 1 or subset_size < 2:
        raise ValueError(
            f"{_NAME} needs at least 1 subset of at least 2 rows, got {subsets} of {subset_size}"
        )
    size = min(subset_size, len(real), len(generated))
    gamma = 1 / real.shape[1] if gamma is None else gamma

    def kernel(products: Tensor) -> Tensor:
        return products.mul(gamma).add(coef0) ** degree

    draws = _draw(len(real), len(generated), subsets, size, seed)
    pairs_at_once = len(real) ** 2 + len(generated) ** 2 + len(real) * len(generated)
    compute = _whole_kernels if pairs_at_once <= 3 * subsets * size**2 else _subset_kernels
    values = compute(real, generated, draws, kernel)
    return values.mean(), values.std(correction=0)


def weighted_kernel_distance(
    real: Tensor, generated: Tensor, real_weights: Tensor, generated_weights: Tensor
) -> Tensor:
    """Unbiased squared maximum mean discrepancy of whole sets, with a weight for each row.

    It is the value that :func:`kernel_inception_distance` estimates from subsets, with the default kernel.
    Many weightings take little more time than one, so it is suited to resampling. A row is never compared
    with itself, even if its weight is above 1.

    Args:
        real: ``(N, D)``.
        generated: ``(M, D)``.
        real_weights: Count of each row, ``(N, B)``, at least 0.
        generated_weights: Count of each row, ``(M, B)``, at least 0.

    Returns:
        ``(B,)`` float64.

    Raises:
        ValueError: As :func:`kernel_inception_distance`, or if the weights do not fit, or fewer than two rows
            of a set have a weight.
    """
    real = check_rows(_NAME, "real features", real, at_least=2).double()
    generated = check_rows(_NAME, "generated features", generated, at_least=2).double()
    check_widths(_NAME, real, generated)
    shapes = (len(real), len(generated)), (len(real_weights), len(generated_weights))
    real_weights, generated_weights = real_weights.to(real), generated_weights.to(generated)
    within = [
        weights.sum(0).square() - weights.square().sum(0) for weights in (real_weights, generated_weights)
    ]
    if shapes[0] != shapes[1] or not all(bool((pairs > 0).all()) for pairs in within):
        raise ValueError(
            f"{_NAME}: weights must fit {shapes[0]} rows, with two of each above 0, got {shapes[1]}"
        )

    def kernel(products: Tensor) -> Tensor:
        return products.mul(1 / real.shape[1]).add(1.0) ** 3

    value = _sums_within(real, real_weights, kernel) / within[0]
    value = value + _sums_within(generated, generated_weights, kernel) / within[1]
    across = _sums_across(real, generated, real_weights, generated_weights, kernel)
    return value - 2 * across / (real_weights.sum(0) * generated_weights.sum(0))


def _draw(num_real: int, num_generated: int, subsets: int, size: int, seed: int) -> list[_Draw]:
    """Rows of each subset, (real, generated); the reference draws those of the generated side first."""
    rng = np.random.RandomState(seed)
    draws = []
    for _ in range(subsets):
        generated = torch.from_numpy(rng.choice(num_generated, size, replace=False))
        draws.append((torch.from_numpy(rng.choice(num_real, size, replace=False)), generated))
    return draws


def _whole_kernels(real: Tensor, generated: Tensor, draws: list[_Draw], kernel: _Kernel) -> Tensor:
    """Compute every entry of the kernels once, for all subsets that it belongs to."""
    real, generated = real.double(), generated.double()
    in_real = _membership([drawn for drawn, _ in draws], real)
    in_generated = _membership([drawn for _, drawn in draws], generated)
    size = len(draws[0][0])
    within = _sums_within(real, in_real, kernel) + _sums_within(generated, in_generated, kernel)
    across = _sums_across(real, generated, in_real, in_generated, kernel)
    return within / (size * (size - 1)) - 2 * across / size**2


def _membership(drawn: list[Tensor], rows: Tensor) -> Tensor:
    """``(N, subsets)`` of ones where a row belongs to a subset."""
    member = torch.zeros(len(rows), len(drawn), dtype=rows.dtype)
    for subset, chosen in enumerate(drawn):
        member[chosen, subset] = 1
    return member.to(rows.device)


def _sums_within(rows: Tensor, member: Tensor, kernel: _Kernel) -> Tensor:
    """Sum of the kernel over the ordered pairs of each subset; half is computed, by symmetry."""
    total = -(kernel(rows.square().sum(dim=1)) @ member.square())
    for start in range(0, len(rows), _BLOCK):
        block, of_block = rows[start : start + _BLOCK], member[start : start + _BLOCK]
        total = total + (of_block * (kernel(block @ block.T) @ of_block)).sum(dim=0)
        after, of_after = rows[start + _BLOCK :], member[start + _BLOCK :]
        total = total + 2 * (of_block * (kernel(block @ after.T) @ of_after)).sum(dim=0)
    return total


def _sums_across(left: Tensor, right: Tensor, in_left: Tensor, in_right: Tensor, kernel: _Kernel) -> Tensor:
    """Sum of the kernel over the pairs of each subset."""
    blocks = zip(left.split(_BLOCK), in_left.split(_BLOCK), strict=True)
    parts = [(member * (kernel(rows @ right.T) @ in_right)).sum(dim=0) for rows, member in blocks]
    return torch.stack(parts).sum(dim=0)


def _subset_kernels(real: Tensor, generated: Tensor, draws: list[_Draw], kernel: _Kernel) -> Tensor:
    """Compute subset by subset, for sets so large that most pairs are in no subset."""
    values = []
    for of_real, of_generated in draws:
        x, y = real[of_real].double(), generated[of_generated].double()
        size = len(x)
        within = kernel(x @ x.T).sum() - kernel(x.square().sum(dim=1)).sum()
        within = within + kernel(y @ y.T).sum() - kernel(y.square().sum(dim=1)).sum()
        values.append(within / (size * (size - 1)) - 2 * kernel(x @ y.T).mean())
    return torch.stack(values)
