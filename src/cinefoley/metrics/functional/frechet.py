"""Frechet distance (FAD, FD) between two sets of features, each fitted by a Gaussian."""

import math

import torch
from torch import Tensor

from cinefoley.metrics.functional.checks import check_rows, check_widths

__all__ = ["frechet_distance", "frechet_influences"]

_NAME = "Frechet distance"
_SMALL = 512  # up to this size singular values take little time
_LARGEST_ERROR = 1e-7  # relative to the distance; parity with the reference requires 2e-6
_BLOCK = 8192  # rows that are added to the factor of a tall set at a time


def frechet_distance(real: Tensor, generated: Tensor) -> Tensor:
    """Frechet distance of the Gaussians fitted to two sets of features; FAD and FD differ only in features.

    Source: Heusel et al., *GANs Trained by a Two Time-Scale Update Rule*, NeurIPS 2017:
    ``|mu_r - mu_g|^2 + tr(S_r) + tr(S_g) - 2 tr sqrt(S_r S_g)``, with unbiased covariances.

    No matrix root is computed. With factors ``S = F^T F``, the last trace is the sum of the singular values
    of ``F_r F_g^T``, at any rank. They are computed from the eigenvalues of its smaller Gram matrix, which is
    several times faster, if the bound on their rounding error allows it. Otherwise they are computed from the
    matrix itself.

    Args:
        real: Features of the reference audio, ``(N, D)``, N >= 2.
        generated: Features of the generated audio, ``(M, D)``, M >= 2.

    Returns:
        Scalar float64, differentiable in both, at least 0 up to rounding; symmetric.

    Raises:
        ValueError: If a set has fewer than 2 rows or a number that is not finite, or the widths D differ.

    Examples:
        >>> frechet_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [5.0]]))
        tensor(9., dtype=torch.float64)
    """
    real = check_rows(_NAME, "real features", real, at_least=2).double()
    generated = check_rows(_NAME, "generated features", generated, at_least=2).double()
    check_widths(_NAME, real, generated)
    mean_real, mean_generated = real.mean(dim=0), generated.mean(dim=0)
    factor_real, factor_generated = _factor(real - mean_real), _factor(generated - mean_generated)
    spread = (mean_real - mean_generated).square().sum() + factor_real.square().sum()
    spread = spread + factor_generated.square().sum()
    rank = min(len(real) - 1, len(generated) - 1, real.shape[1])
    return spread - 2 * _sum_of_singular_values(
        factor_real @ factor_generated.T, rank, float(spread.detach())
    )


@torch.no_grad()
def frechet_influences(real: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
    """What each row adds to the distance, to first order: for the spread of resampled distances.

    If row ``i`` of a set is drawn ``w_i`` times, the distance changes by about ``sum w_i f_i / sum w_i`` with
    the influences ``f`` of that set. So a resampling costs one sum.

    Source: derivative of the distance by means and covariances. That by ``S_g`` is ``I - T`` with ``T`` the
    optimal transport map ``S_r^(1/2) (S_r^(1/2) S_g S_r^(1/2))^(-1/2) S_r^(1/2)``; by ``S_r`` likewise.
    Reading: directions in which a set does not vary count as not changing.

    Args:
        real: ``(N, D)``, as for :func:`frechet_distance`.
        generated: ``(M, D)``.

    Returns:
        Influences of the real rows ``(N,)`` and of the generated ones ``(M,)``, float64, each with mean 0.

    Raises:
        ValueError: As :func:`frechet_distance`.
    """
    real = check_rows(_NAME, "real features", real, at_least=2).double()
    generated = check_rows(_NAME, "generated features", generated, at_least=2).double()
    check_widths(_NAME, real, generated)
    means = real.mean(dim=0), generated.mean(dim=0)
    covariances = [side.T.cov() for side in (real, generated)]
    shift = means[1] - means[0]
    found = []
    for side, mean, own, other, sign in (
        (real, means[0], covariances[0], covariances[1], -1.0),
        (generated, means[1], covariances[1], covariances[0], 1.0),
    ):
        root = _matrix_power(other, 0.5)
        slope = -root @ _matrix_power(root @ own @ root, -0.5) @ root
        slope.diagonal().add_(1)
        values = []
        for block in side.split(_BLOCK):
            centred = block - mean
            values.append(2 * sign * centred @ shift + ((centred @ slope) * centred).sum(dim=1))
        influence = torch.cat(values)
        found.append(influence - influence.mean())
    return found[0], found[1]


def _matrix_power(matrix: Tensor, power: float) -> Tensor:
    """Power of a symmetric matrix that is positive up to rounding; on its range only."""
    values, vectors = torch.linalg.eigh(matrix)
    is_zero = values <= values[-1].clamp(min=0) * len(values) * torch.finfo(values.dtype).eps
    powers = torch.where(is_zero, 0.0, values.clamp(min=1e-300) ** power)
    product: Tensor = (vectors * powers) @ vectors.T
    return product


def _factor(centred: Tensor) -> Tensor:
    """``F`` with ``F^T F`` the covariance: the scaled set, or its triangular factor if that is shorter."""
    rows, width = centred.shape
    scaled = centred / math.sqrt(rows - 1)
    if rows <= width:
        return scaled
    mode = "reduced" if centred.requires_grad else "r"  # torch has no derivative of the latter
    factor = scaled[:0]
    for block in scaled.split(max(_BLOCK, 2 * width)):  # memory use does not depend on the number of rows
        _, factor = torch.linalg.qr(torch.cat([factor, block]), mode=mode)
    return factor


def _sum_of_singular_values(product: Tensor, rank: int, spread: float) -> Tensor:
    """Sum for a matrix of at most ``rank``; the distance is ``spread`` minus twice this sum."""
    if min(product.shape) <= _SMALL:
        return _svd_sum(product, rank)
    smaller = product if product.shape[0] <= product.shape[1] else product.T
    squares: Tensor = torch.linalg.eigvalsh(smaller @ smaller.T)[-rank:]
    is_positive = squares > 0
    roots = torch.where(is_positive, squares, 1).sqrt() * is_positive  # the root's slope at 0 is infinite
    total = roots.sum()
    distance = max(spread - 2 * float(total.detach()), 1e-2 * spread)
    if 2 * _rounding_error(squares.detach(), roots.detach()) <= _LARGEST_ERROR * distance:
        return total
    return _svd_sum(product, rank)


def _svd_sum(product: Tensor, rank: int) -> Tensor:
    values: Tensor = torch.linalg.svdvals(product)
    return values[:rank].sum()


def _rounding_error(squares: Tensor, roots: Tensor) -> float:
    """Bound on the error of the sum of roots: the error of each square is a few eps of the largest."""
    noise = 4 * torch.finfo(squares.dtype).eps * float(squares[-1])
    errors = noise / (2 * roots.clamp(min=1e-300))
    return float(errors.clamp(max=math.sqrt(noise)).sum())
