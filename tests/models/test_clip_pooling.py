"""A clip becomes one vector of unit norm."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.models.clip_pooling import pool_clip


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 1000), batch=st.integers(1, 3))
def test_a_clip_has_unit_norm_whatever_the_order_of_its_frames(seed: int, batch: int) -> None:
    features = draw(batch, 16, 8, seed=seed)
    pooled = pool_clip(features)
    assert pooled.shape == (batch, 8)
    torch.testing.assert_close(pooled.norm(dim=-1), torch.ones(batch))
    order = torch.randperm(16, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(pool_clip(features[:, order]), pooled)


def test_it_points_where_the_largest_numbers_of_the_channels_do() -> None:
    features = torch.zeros(1, 16, 3)
    features[0, 2, 0], features[0, 9, 1] = 3.0, 4.0
    assert pool_clip(features).tolist() == [[pytest.approx(0.6), pytest.approx(0.8), 0.0]]


def test_clips_of_other_lengths_are_pooled_when_asked() -> None:
    features = draw(2, 10, 8)
    expected = torch.nn.functional.normalize(features.amax(1), dim=-1)
    torch.testing.assert_close(pool_clip(features, clip_frames=10), expected)


@pytest.mark.parametrize("shape", [(1, 8, 512), (1, 32, 512), (1, 17, 512), (16, 512), (1, 1, 16, 512)])
def test_anything_but_one_clip_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"features of one clip must be \(B, 16, D\)"):
        pool_clip(torch.zeros(shape))
