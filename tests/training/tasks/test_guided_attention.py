import math

import torch
from tests.training.small_tasks import DENOISER

from cinefoley.models.build import build_denoiser
from cinefoley.training.tasks.guided_attention import GuidedAttention, _off_time

HEADS, ROWS, COLUMNS, FRAMES = 4, 2, 8, 32


def off_time(by_column: torch.Tensor) -> float:
    """Loss of attention probabilities given per column, ``(columns, frames)``, alike in rows and heads."""
    probabilities = by_column.expand(HEADS, ROWS, COLUMNS, FRAMES).reshape(HEADS, ROWS * COLUMNS, FRAMES)
    return float(_off_time(probabilities, heads=HEADS))


def test_attention_on_the_own_frames_has_no_loss() -> None:
    own = torch.eye(COLUMNS).repeat_interleave(FRAMES // COLUMNS, dim=1) / (FRAMES // COLUMNS)
    assert abs(off_time(own)) < 1e-5


def test_uniform_attention_loses_the_logarithm_of_the_columns() -> None:
    everywhere = torch.full((COLUMNS, FRAMES), 1 / FRAMES)
    assert abs(off_time(everywhere) - math.log(COLUMNS)) < 1e-4


def test_attention_elsewhere_has_the_largest_loss() -> None:
    own = torch.eye(COLUMNS).repeat_interleave(FRAMES // COLUMNS, dim=1) / (FRAMES // COLUMNS)
    assert off_time(own.roll(FRAMES // 2, dims=1)) > math.log(COLUMNS)


def test_where_frames_are_few_every_column_has_one_of_its_own() -> None:
    """Diff-Foley's upper levels have 64 columns for 32 frames."""
    own = torch.eye(4).repeat_interleave(2, dim=0)
    probabilities = own.expand(HEADS, ROWS, COLUMNS, 4).reshape(HEADS, ROWS * COLUMNS, 4)
    assert abs(float(_off_time(probabilities, heads=HEADS))) < 1e-5
    assert float(_off_time(probabilities.roll(1, dims=-1), heads=HEADS)) > 1


def test_only_half_of_the_heads_are_guided() -> None:
    own = torch.eye(COLUMNS).repeat_interleave(FRAMES // COLUMNS, dim=1) / (FRAMES // COLUMNS)
    probabilities = own.repeat(ROWS, 1).expand(HEADS, ROWS * COLUMNS, FRAMES).clone()
    probabilities[HEADS // 2 :] = 1 / FRAMES
    assert abs(float(_off_time(probabilities, heads=HEADS))) < 1e-5


def test_the_denoiser_computes_the_same_and_learns_from_the_loss() -> None:
    torch.manual_seed(0)
    denoiser = build_denoiser(DENOISER)
    inputs = torch.randn(2, 4, 4, 16), torch.tensor([3, 700]), torch.randn(2, 8, 12)
    before = denoiser(*inputs).sample.detach()
    guided = GuidedAttention(denoiser)
    assert torch.allclose(denoiser(*inputs).sample, before, atol=1e-5)
    guided.loss().backward()
    assert any(p.grad is not None and bool(p.grad.abs().max() > 0) for p in denoiser.parameters())
