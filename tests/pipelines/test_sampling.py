import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.pipelines.sampling import draw_noise


@given(seed=st.integers(0, 2**31), take=st.integers(0, 100), window=st.integers(0, 1000))
def test_noise_depends_on_seed_take_and_window_alone(seed: int, take: int, window: int) -> None:
    draw = draw_noise((1, 4, 2, 2), seed=seed, take=take, window=window)
    assert torch.equal(draw, draw_noise((1, 4, 2, 2), seed=seed, take=take, window=window))
    for other in ((seed + 1, take, window), (seed, take + 1, window), (seed, take, window + 1)):
        assert not torch.equal(draw, draw_noise((1, 4, 2, 2), seed=other[0], take=other[1], window=other[2]))


def test_noise_is_standard_normal_and_pinned() -> None:
    noise = draw_noise((1, 4, 64, 256), seed=7, take=0, window=0)
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
