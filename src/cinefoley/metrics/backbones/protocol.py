"""Backbone interface: a network that turns a waveform into features and logits."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = ["Backbone", "Embedding", "check_waveform"]


class Embedding(NamedTuple):
    """Features and logits of one clip."""

    features: Tensor
    """``(D,)``, or ``(S, D)`` if every segment of the clip has its own features; float32, on the CPU."""
    logits: Tensor | None
    """``(C,)`` before any activation; None if the network has no classes."""


@runtime_checkable
class Backbone(Protocol):
    """Network whose features the metrics compare: any object with these four members.

    Numbers of different backbones are not comparable, so every result records name and digest.
    """

    name: str
    """Name in results."""
    digest: str
    """SHA-256 of its weights; part of the key under which its features are cached."""
    sample_rate: int
    """Sample rate of its input."""

    def embed(self, waveform: Tensor, sample_rate: int) -> Embedding:
        """Embed one clip of any length.

        Args:
            waveform: ``(N,)`` in [-1, 1]; resampled if necessary, but neither centred nor padded.
            sample_rate: Its rate.

        Raises:
            ValueError: If it is too short for the network, or not finite.
        """
        ...


def check_waveform(name: str, waveform: Tensor, *, at_least: int, sample_rate: int) -> Tensor:
    """Check the input waveform of a backbone.

    Args:
        name: Name of the backbone, for the message.
        waveform: ``(N,)``; a numpy array is accepted.
        at_least: Number of samples that the backbone needs.
        sample_rate: Their rate, for the message.

    Returns:
        The waveform as float32.

    Raises:
        ValueError: If it is not ``(N,)``, too short, or not finite.
    """
    waveform = torch.as_tensor(waveform)
    if waveform.ndim != 1 or len(waveform) < at_least:
        raise ValueError(
            f"{name} needs a waveform (N,) of at least {at_least / sample_rate:.3g} s ({at_least} samples at "
            f"{sample_rate} Hz), got {tuple(waveform.shape)}"
        )
    if not bool(waveform.isfinite().all()):
        raise ValueError(f"{name}: the waveform contains NaN or infinite samples")
    return waveform.float()
