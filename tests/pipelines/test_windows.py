import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.pipelines.windows import CrossFader, plan_windows

WINDOW, OVERLAP = 800, 100


def joined(total: int, window: int = WINDOW, overlap: int = OVERLAP, value: float = 1.0) -> torch.Tensor:
    plan = plan_windows(total, window=window, overlap=overlap)
    fader = CrossFader(plan)
    blocks = [fader.add(index, torch.full((2, window), value)) for index in range(len(plan))]
    return torch.cat(blocks, dim=1)


@given(total=st.integers(1, 20_000), window=st.integers(10, 1000), share=st.floats(0, 0.49))
def test_sound_is_exactly_as_long_as_the_video(total: int, window: int, share: float) -> None:
    assert joined(total, window, int(window * share)).shape == (2, total)


@given(total=st.integers(1, 20_000))
def test_windows_cover_the_video_and_overlap_enough(total: int) -> None:
    plan = plan_windows(total, window=WINDOW, overlap=OVERLAP)
    assert plan.starts[0] == 0
    assert plan.starts[-1] + WINDOW >= total
    assert plan.starts[-1] == max(0, total - WINDOW), "the last window ends with the film"
    overlaps = [a + WINDOW - b for a, b in zip(plan.starts, plan.starts[1:], strict=False)]
    assert all(overlap >= OVERLAP for overlap in overlaps)


def test_a_short_video_is_one_window() -> None:
    assert plan_windows(300, window=WINDOW, overlap=OVERLAP).starts == (0,)
    assert plan_windows(WINDOW, window=WINDOW, overlap=OVERLAP).starts == (0,)
    assert len(plan_windows(WINDOW + 1, window=WINDOW, overlap=OVERLAP)) == 2


def test_equal_sounds_pass_outside_the_fades_and_swell_by_three_decibels_inside() -> None:
    total = 2000
    plan = plan_windows(total, window=WINDOW, overlap=OVERLAP)
    sound = joined(total)[0]
    fade = torch.zeros(total, dtype=torch.bool)
    for index in range(1, len(plan)):
        fade[plan.joint(index) : plan.joint(index) + plan.fade] = True
    assert torch.equal(sound[~fade], torch.ones(int((~fade).sum())))
    assert sound[fade].max() == pytest.approx(2**0.5, abs=1e-3)


def test_independent_sounds_keep_their_power_through_a_fade() -> None:
    generator = torch.Generator().manual_seed(0)
    plan = plan_windows(1500, window=WINDOW, overlap=OVERLAP)
    fader = CrossFader(plan)
    takes = 4000
    blocks = [fader.add(i, torch.randn(takes, WINDOW, generator=generator)) for i in range(len(plan))]
    power = torch.cat(blocks, dim=1).square().mean(dim=0)
    assert power.min() > 0.85
    assert power.max() < 1.15


def test_a_finished_block_never_changes_with_what_follows() -> None:
    plan = plan_windows(2000, window=WINDOW, overlap=OVERLAP)
    first, second = CrossFader(plan), CrossFader(plan)
    sound = torch.rand(1, WINDOW)
    assert torch.equal(first.add(0, sound), second.add(0, sound.clone()))


@pytest.mark.parametrize(("total", "overlap"), [(0, 0), (10, 400), (10, -1)])
def test_lengths_out_of_range_are_refused(total: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="need total >= 1"):
        plan_windows(total, window=WINDOW, overlap=overlap)
