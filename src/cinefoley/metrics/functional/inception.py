"""Inception score: how clearly clips are classified, and how varied their classes are."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.metrics.functional.checks import check_rows

__all__ = ["inception_score"]

_NAME = "Inception score"


def inception_score(logits: Tensor, *, splits: int = 10, seed: int | None = 2020) -> tuple[Tensor, Tensor]:
    """``exp`` of the mean divergence of each clip's class probabilities from their average, over splits.

    Source: Salimans et al., *Improved Techniques for Training GANs*, NeurIPS 2016. Rows are shuffled
    before the split in the same order as in audioldm_eval. The score is biased low if there are few rows.

    Args:
        logits: Logits of the generated audio, ``(N, C)``, N >= ``splits``, before softmax.
        splits: Parts that are scored separately, at least 1; part ``i`` begins at row ``i * N // splits``.
        seed: Seed of the order; None does not shuffle.

    Returns:
        Mean and population standard deviation over splits, scalars in float64, from 1 (all equal) to C.
        Higher is better.

    Raises:
        ValueError: If there are fewer rows than splits, no splits, or a logit is not finite.

    Examples:
        >>> inception_score(torch.zeros(10, 4))
        (tensor(1., dtype=torch.float64), tensor(0., dtype=torch.float64))
    """
    if splits < 1:
        raise ValueError(f"{_NAME} needs at least 1 split, got {splits}")
    logits = check_rows(_NAME, f"generated logits ({splits} splits)", logits, at_least=splits).double()
    count = len(logits)
    if seed is not None:
        order = np.random.RandomState(seed).permutation(count)
        logits = logits[torch.from_numpy(order).to(logits.device)]
    edges = [part * count // splits for part in range(splits + 1)]
    scores = torch.stack([_score(logits[begin:end]) for begin, end in pairwise(edges)])
    return scores.mean(), scores.std(correction=0)


def _score(logits: Tensor) -> Tensor:
    log_probabilities = F.log_softmax(logits, dim=1)
    probabilities = log_probabilities.exp()
    average = probabilities.mean(dim=0, keepdim=True).clamp(min=torch.finfo(logits.dtype).tiny)
    return (probabilities * (log_probabilities - average.log())).sum(dim=1).mean().exp()
