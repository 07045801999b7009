"""Kinds of events: the bundled audio classifier names what sounds right after an onset."""

from collections.abc import Collection
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.metrics.backbones.lite import LiteBackbone

__all__ = ["LEAD_S", "LENGTH_S", "KindNamer"]

LEAD_S = 0.05
"""Sound before an onset that belongs to the event, in seconds."""
LENGTH_S = 0.6
"""Sound after an onset that is listened to."""

_LEAST_SURE = 0.5
_QUIET = 1e-6


class KindNamer:
    """Names the kind of sound of an event, of the kinds that a model names.

    The classifier ``lite`` hears the event alone, at full level. It knows the kinds of the Foley stage, so it
    is asked only about takes of models whose kinds are among these.
    ``benchmarks/delivery/kinds.py`` compares it with a model's own audio encoder.

    Args:
        kinds: Kinds that may be named, such as :meth:`cinefoley.models.kinds.Kinds.names_of` gives.
    """

    def __init__(self, kinds: Collection[str]) -> None:
        self._kinds = frozenset(kinds)

    def name(self, excerpt: Tensor, sample_rate: int) -> str:
        """The kind of one event.

        Args:
            excerpt: ``(N,)``, from :data:`LEAD_S` before the onset to :data:`LENGTH_S` after it, or to the
                next event.
            sample_rate: Samples per second.

        Returns:
            The kind; empty if the classifier is less than half sure, or hears a kind that may not be named.
        """
        peak = float(excerpt.abs().max()) if len(excerpt) else 0.0
        if not self._kinds or peak < _QUIET:
            return ""
        shortest = -(-self._backbone.shortest * sample_rate // self._backbone.sample_rate) + 1
        padded = F.pad(excerpt.float() / peak, (0, max(0, shortest - len(excerpt))))
        logits = self._backbone.embed(padded, sample_rate).logits
        assert logits is not None  # this classifier has classes
        sure, index = torch.softmax(logits, dim=-1).max(dim=-1)
        kind = self._backbone.classes[int(index)]
        return kind if kind in self._kinds and float(sure) >= _LEAST_SURE else ""

    @cached_property
    def _backbone(self) -> LiteBackbone:
        return LiteBackbone()
