"""Epoch order of training clips: every clip comes once in every pass over all of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cinefoley.training.engine.step_seeds import step_generator

__all__ = ["EpochOrder", "draw_epochs"]

_ORDER_SEED = 2**32  # apart from the seeds of steps


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochOrder:
    """Shuffles clips, in a new order in each pass over them.

    It has no state: a step's rows depend on the step alone, so a stopped run resumes in the middle of a pass,
    and every rank draws the same rows.
    """

    seed: int
    """Seed of the order."""
    per_clip: int = 1
    """Rows of each clip, which are its windows and lie side by side; each pass takes the next of them."""

    def draw(self, step: int, batch_size: int, *, count: int) -> Tensor:
        """Rows of one step.

        Args:
            step: Counted from 0.
            batch_size: Rows of a step.
            count: All rows, a multiple of :attr:`per_clip`.

        Returns:
            ``(batch_size,)`` int64.
        """
        clips = draw_epochs(step, batch_size, count=count // self.per_clip, seed=self.seed)
        if self.per_clip == 1:
            return clips
        passes = (step * batch_size + torch.arange(batch_size)) // (count // self.per_clip)
        return clips * self.per_clip + (passes + clips) % self.per_clip


def draw_epochs(step: int, batch_size: int, *, count: int, seed: int) -> Tensor:
    """Rows of one step, in an order in which each row comes once in every pass over all of them.

    A batch may end one pass and begin the next. The rows depend on the step alone, so a stopped run resumes
    in the middle of a pass.

    Args:
        step: Counted from 0.
        batch_size: Rows of a step.
        count: All rows.
        seed: Seed of the order, which differs from pass to pass.

    Returns:
        ``(batch_size,)`` int64.
    """
    places = step * batch_size + torch.arange(batch_size)
    rows = torch.empty(batch_size, dtype=torch.long)
    for epoch in (places // count).unique().tolist():
        order = torch.randperm(count, generator=step_generator(seed + _ORDER_SEED, epoch))
        is_own = places // count == epoch
        rows[is_own] = order[places[is_own] % count]
    return rows
