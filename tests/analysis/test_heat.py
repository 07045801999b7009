import pytest
import torch

from cinefoley.analysis.heat import share_inside


def boxes(*several: tuple[float, float, float, float]) -> torch.Tensor:
    """One frame, as many targets."""
    return torch.tensor(several)[:, None]


@pytest.mark.parametrize("box", [(0.1, 0.2, 0.7, 0.65), (0.0, 0.0, 1.0, 1.0), (-0.5, 0.3, 0.25, 2.0)])
def test_an_even_map_gives_a_boxs_part_of_the_frame(box: tuple[float, float, float, float]) -> None:
    x0, y0, x1, y1 = (min(max(edge, 0), 1) for edge in box)
    share = share_inside(torch.ones(1, 7, 5), boxes(box))
    assert float(share) == pytest.approx((x1 - x0) * (y1 - y0))


def test_heat_counts_where_it_is() -> None:
    heat = torch.zeros(1, 4, 4)
    heat[0, 1, 2], heat[0, 3, 0] = 3.0, 1.0
    assert float(share_inside(heat, boxes((0.5, 0.25, 0.75, 0.5)))) == 0.75
    assert float(share_inside(heat, boxes((0.5, 0.25, 0.75, 0.5), (0.0, 0.75, 0.25, 1.0)))) == 1.0
    assert float(share_inside(heat, boxes((0.625, 0.25, 0.75, 0.5)))) == pytest.approx(0.375)


def test_the_same_box_twice_is_one() -> None:
    whole_cells = (0.0, 0.0, 0.5, 0.5)
    assert float(share_inside(torch.ones(1, 4, 4), boxes(whole_cells, whole_cells))) == pytest.approx(0.25)


def test_frames_without_heat_or_target_tell_nothing() -> None:
    heat = torch.stack([torch.zeros(4, 4), torch.ones(4, 4), torch.ones(4, 4)])
    seen = torch.tensor([[(0.0, 0.0, 0.5, 0.5), (1.2, 0.0, 1.5, 1.0), (0.0, 0.0, 0.5, 1.0)]])
    share = share_inside(heat, seen)
    assert share.isnan().tolist() == [True, True, False]
    assert float(share[2]) == 0.5


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="need heat"):
        share_inside(torch.ones(2, 4, 4), boxes((0, 0, 1, 1)))
    with pytest.raises(ValueError, match="0 or more"):
        share_inside(-torch.ones(1, 4, 4), boxes((0, 0, 1, 1)))
