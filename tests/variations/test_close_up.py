from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cinefoley.variations.close_up import CloseUp, close_up
from cinefoley.variations.resizing import resize

Seeded = Callable[[int], torch.Generator]

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 500), st.integers(1, 500))
scale_ranges = st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(lambda pair: (min(pair), max(pair)))
placements = st.sampled_from(["center", "uniform"])


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(sizes, scale_ranges, placements, seeds)
def test_the_window_keeps_a_fraction_in_range_of_each_side_and_lies_inside(
    size: tuple[int, int], scale_range: tuple[float, float], placement: Any, seed: int
) -> None:
    window = CloseUp(scale_range=scale_range, placement=placement).draw(size, generator=generator(seed))
    assert all(scale_range[0] <= scale <= scale_range[1] for scale in window.scale)
    x0, y0, x1, y1 = window.box_at(0)
    height, width = size
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    for side, kept, scale in zip(size, window.crop_size, window.scale, strict=True):
        assert abs(kept - side * scale) <= 0.5 or kept == 1


@given(st.integers(1, 8), sizes.filter(lambda size: max(size) < 60), placements, seeds)
def test_every_frame_gets_the_same_window(
    num_frames: int, size: tuple[int, int], placement: Any, seed: int
) -> None:
    frame = torch.rand(3, *size, generator=generator(0))
    shown = CloseUp(placement=placement)(frame.expand(num_frames, -1, -1, -1), generator=generator(seed))
    assert (shown == shown[:1]).all()


@given(sizes, placements, seeds)
def test_the_same_seed_gives_the_same_window(size: tuple[int, int], placement: Any, seed: int) -> None:
    variation = CloseUp(placement=placement)
    first, second = (variation.draw(size, generator=generator(seed)) for _ in range(2))
    assert first == second


def test_a_seed_gives_the_window_of_every_machine(seeded: Seeded) -> None:
    window = CloseUp(placement="uniform").draw((360, 640), generator=seeded(7))
    # torch.rand(4, dtype=torch.float64) after manual_seed(7), written down once
    drawn = [0.279380429906404, 0.27369371365176565, 0.8620929614176255, 0.6566884305882014]
    assert window.scale == (0.4 + (0.6 - 0.4) * drawn[0], 0.4 + (0.6 - 0.4) * drawn[1])
    assert window.start == window.end == (drawn[2], drawn[3])
    assert window.box_at(0.5) == (229, 169, 520, 333)


def test_height_and_width_are_drawn_apart_and_evenly(seeded: Seeded) -> None:
    source = seeded(0)
    scales = torch.tensor([CloseUp().draw((9, 9), generator=source).scale for _ in range(2000)])
    assert abs(torch.corrcoef(scales.T)[0, 1]) < 0.07
    for side in scales.T:
        counts = torch.histc(side, bins=5, min=0.4, max=0.6)
        assert ((counts - 400).abs() < 80).all()


def test_it_is_centred_unless_told_otherwise(seeded: Seeded) -> None:
    source = seeded(0)
    for _ in range(50):
        x0, y0, x1, y1 = CloseUp().draw((101, 200), generator=source).box_at(0)
        assert abs(x0 - (200 - x1)) <= 1
        assert abs(y0 - (101 - y1)) <= 1
    uniform = CloseUp(placement="uniform", scale_range=(0.5, 0.5))
    tops = {uniform.draw((20, 20), generator=source).box_at(0)[1] for _ in range(300)}
    assert tops == set(range(11))


@given(sizes.filter(lambda size: max(size) < 60), placements, seeds)
def test_the_full_range_is_the_identity(size: tuple[int, int], placement: Any, seed: int) -> None:
    video = torch.rand(2, 3, *size, generator=generator(0))
    shown = CloseUp(scale_range=(1, 1), placement=placement)(video, generator=generator(seed))
    assert torch.equal(shown, video)


def test_the_function_is_the_class_with_its_defaults(seeded: Seeded) -> None:
    video = torch.rand(2, 4, 3, 30, 40)
    assert torch.equal(close_up(video, generator=seeded(3)), CloseUp()(video, generator=seeded(3)))
    assert close_up(video, scale_range=(0.5, 0.5)).shape == (2, 4, 3, 15, 20)


def test_the_crop_comes_before_the_resize(seeded: Seeded) -> None:
    video = torch.full((2, 3, 40, 60), float("nan"))
    window = CloseUp().draw((40, 60), generator=seeded(1))
    x0, y0, x1, y1 = window.box_at(0)
    video[..., y0:y1, x0:x1] = 0.25
    shown = resize(CloseUp().apply(video, window), (24, 24))
    torch.testing.assert_close(shown, torch.full((2, 3, 24, 24), 0.25))


def test_the_global_state_of_chance_is_left_alone() -> None:
    before: Tensor = torch.get_rng_state()
    CloseUp(placement="uniform").draw((9, 9))
    assert torch.equal(torch.get_rng_state(), before)
    assert CloseUp().draw((9, 9)) != CloseUp().draw((9, 9))


@pytest.mark.parametrize("scale_range", [(0.0, 0.5), (0.6, 0.4), (0.5, 1.01), (float("nan"), 0.5)])
def test_a_scale_range_outside_0_to_1_or_crossed_is_refused(scale_range: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"scale_range must be ordered inside \(0, 1\]"):
        CloseUp(scale_range=scale_range)
    with pytest.raises(ValueError, match="scale_range"):
        close_up(torch.zeros(1, 3, 9, 9), scale_range=scale_range)


def test_other_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="placement must be one of"):
        CloseUp(placement="left")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1x1 pixels"):
        CloseUp().draw((0, 9))
    with pytest.raises(ValueError, match="T, C, H, W"):
        close_up(torch.zeros(3, 9, 9))


@pytest.mark.gpu
def test_a_generator_on_the_gpu_is_refused(cuda: torch.device) -> None:
    with pytest.raises(ValueError, match="windows are drawn on the CPU"):
        CloseUp().draw((9, 9), generator=torch.Generator(cuda))


def test_records_name_the_kind_and_every_setting() -> None:
    assert CloseUp().describe() == {"variation": "close_up", "scale_range": (0.4, 0.6), "placement": "center"}
