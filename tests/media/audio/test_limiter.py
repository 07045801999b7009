"""The limiter: nothing beyond the ceiling, nothing changed away from peaks, a smooth gain between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.media.audio.limiter import LOOK_AHEAD_S, limit_peaks, limited_blocks

RATE = 8000
REACH = round(LOOK_AHEAD_S * RATE)


@given(seed=st.integers(0, 10_000), level=st.floats(0.1, 8), length=st.integers(0, 3000))
def test_nothing_exceeds_the_ceiling_and_signs_stay(seed: int, level: float, length: int) -> None:
    samples = level * np.random.default_rng(seed).standard_normal((2, length)).astype(np.float32)
    limited = limit_peaks(samples, RATE, ceiling=0.5)
    assert np.abs(limited).max(initial=0) <= np.float32(0.5)
    assert np.all(limited * samples >= 0)
    assert np.all(np.abs(limited) <= np.abs(samples))


def test_a_single_peak_is_held_and_left() -> None:
    samples = np.full((1, 4000), 0.25, np.float32)
    samples[0, 2000] = 2.0
    gain = limit_peaks(samples, RATE, ceiling=1.0)[0] / samples[0]
    assert gain[2000] == pytest.approx(0.5)
    assert np.all(gain[: 2000 - 2 * REACH] == 1)
    assert np.all(gain[2001 + 2 * REACH :] == 1)
    assert np.all(np.diff(gain[:2001]) <= 1e-6)  # falls towards the peak, rises after it
    assert np.all(np.diff(gain[2000:]) >= -1e-6)
    assert np.abs(np.diff(gain)).max() < 2 * 0.5 / REACH  # no step that would click


def test_blocks_are_the_whole() -> None:
    samples = 3 * np.random.default_rng(0).standard_normal((2, 200_001)).astype(np.float32)
    samples[:, 60_000:70_000] *= 0.1
    blocks = list(limited_blocks(samples, RATE, ceiling=0.9, gain=0.7))
    assert len(blocks) > 2
    assert np.array_equal(
        np.concatenate(blocks, axis=1), limit_peaks(np.float32(0.7) * samples, RATE, ceiling=0.9)
    )
