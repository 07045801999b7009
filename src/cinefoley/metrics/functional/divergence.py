"""KL divergence between the classes of a generated clip and of its reference."""

from typing import Literal, get_args

from torch import Tensor
from torch.nn import functional as F

from cinefoley.metrics.functional.checks import check_rows, check_widths

__all__ = ["Activation", "kl_divergence", "kl_divergence_terms"]

_NAME = "KL divergence"

Activation = Literal["softmax", "sigmoid"]
"""Function from logits to probabilities. Papers that print a single KL use softmax."""


def kl_divergence(
    real_logits: Tensor,
    generated_logits: Tensor,
    *,
    activation: Activation = "softmax",
    epsilon: float = 1e-6,
) -> Tensor:
    """Mean of ``sum_c p_real (log p_real - log(p_generated + epsilon))`` over pairs of clips.

    Source: Iashin and Rahtu, *Taming Visually Guided Sound Generation*, BMVC 2021, with the ``epsilon`` that
    audioldm_eval adds. It limits the value of one pair to about 13.8; equal sets score about -5e-4.

    Args:
        real_logits: Logits of the reference audio, ``(N, C)``, N >= 1, before any activation.
        generated_logits: Logits of the generated audio, ``(N, C)``, in the same order of clips.
        activation: ``"softmax"``, or ``"sigmoid"``, which omits the terms of ``1 - p`` and can be
            negative.
        epsilon: Added to the generated probability; 0 gives the exact divergence, as in av-benchmark.

    Returns:
        Scalar float64. Lower is better.

    Raises:
        ValueError: If there are no pairs, the shapes differ, a logit is not finite, or the activation is
            unknown.

    Examples:
        >>> kl_divergence(torch.zeros(1, 4), torch.zeros(1, 4), epsilon=0.0)
        tensor(0., dtype=torch.float64)
    """
    terms = kl_divergence_terms(real_logits, generated_logits, activation=activation, epsilon=epsilon)
    return terms.mean()


def kl_divergence_terms(
    real_logits: Tensor,
    generated_logits: Tensor,
    *,
    activation: Activation = "softmax",
    epsilon: float = 1e-6,
) -> Tensor:
    """Value of each pair in :func:`kl_divergence`, ``(N,)`` float64; same arguments and errors."""
    real_logits = check_rows(_NAME, "real logits", real_logits, at_least=1).double()
    generated_logits = check_rows(_NAME, "generated logits", generated_logits, at_least=1).double()
    check_widths(_NAME, real_logits, generated_logits)
    if len(real_logits) != len(generated_logits):
        raise ValueError(
            f"{_NAME} needs pairs, got {len(real_logits)} real and {len(generated_logits)} generated rows"
        )
    if activation not in get_args(Activation) or epsilon < 0:
        raise ValueError(
            f"{_NAME}: activation must be one of {get_args(Activation)} and epsilon at least 0, "
            f"got {activation!r} and {epsilon}"
        )
    log_real = _log_probabilities(real_logits, activation)
    log_generated = _log_probabilities(generated_logits, activation)
    if epsilon > 0:
        log_generated = (log_generated.exp() + epsilon).log()
    return (log_real.exp() * (log_real - log_generated)).sum(dim=1)


def _log_probabilities(logits: Tensor, activation: Activation) -> Tensor:
    return F.log_softmax(logits, dim=1) if activation == "softmax" else F.logsigmoid(logits)
