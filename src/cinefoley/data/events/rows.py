"""Tensor rows of labels and events, one row a clip, as datasets hold them."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["event_rows", "kind_rows"]


def kind_rows(labels: Iterable[Sequence[str]], names: Sequence[str]) -> Tensor:
    """Numbers ``(N, 2)`` int64 of each clip's first and last label; -1 where there is none.

    Args:
        labels: Labels of each clip.
        names: All labels, in the order of their numbers.
    """
    number = {name: index for index, name in enumerate(names)}
    pairs = [[number.get(kinds[0], -1), number.get(kinds[-1], -1)] if kinds else [-1, -1] for kinds in labels]
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)


def event_rows(known: Sequence[Sequence[Sequence[Any]]], *, width: int = 1) -> tuple[Tensor, Tensor]:
    """Times ``(N, E)`` float32 padded with NaN, and whether each event starts sharply, ``(N, E)`` bool.

    Args:
        known: For each clip, the time and the sharpness of every event.
        width: E at least.
    """
    width = max([width, *map(len, known)])
    times = torch.full((len(known), width), torch.nan)
    sharp = torch.zeros((len(known), width), dtype=torch.bool)
    for row, events in enumerate(known):
        if events:
            times[row, : len(events)] = torch.tensor([time for time, _ in events])
            sharp[row, : len(events)] = torch.tensor([bool(onset) for _, onset in events])
    return times, sharp
