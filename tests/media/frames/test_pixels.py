import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.media.frames.pixels import Pixels, resize, resize_fast


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(
    side=st.tuples(st.integers(8, 90), st.integers(8, 90)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_squashing_is_resizing_to_the_last_digit(side: tuple[int, int], size: tuple[int, int]) -> None:
    pixels = noise(*side)
    squashed = resize_fast(pixels, size)
    assert squashed.shape == (*size, 3)
    assert squashed.dtype == np.uint8
    assert np.abs(squashed.astype(int) - resize(pixels, size)).max() <= 1


def test_a_cut_frame_is_squashed_without_what_was_around_it() -> None:
    whole = noise(60, 80)
    cut = whole[10:50, 20:64]
    assert np.array_equal(resize_fast(cut, (16, 16)), resize_fast(cut.copy(), (16, 16)))


@pytest.mark.parametrize("bring", [resize_fast, resize])
def test_a_frame_that_has_the_size_is_given_back(bring: type) -> None:
    pixels = noise(16, 24)
    assert bring(pixels, (16, 24)) is pixels
