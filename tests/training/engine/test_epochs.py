import torch

from cinefoley.training.engine.epochs import EpochOrder, draw_epochs


def test_every_clip_comes_once_in_every_pass() -> None:
    """Steps of four through passes of six, which end in the middle of a batch."""
    rows = torch.cat([draw_epochs(number, 4, count=6, seed=3) for number in range(9)])
    passes = rows.reshape(6, 6)
    assert all(sorted(one) == list(range(6)) for one in passes.tolist())
    assert len({tuple(one) for one in passes.tolist()}) > 1, "each pass has an order of its own"
    assert not torch.equal(draw_epochs(0, 6, count=6, seed=3), draw_epochs(0, 6, count=6, seed=4))


def test_a_pass_shows_one_window_of_every_clip_and_the_next_pass_another() -> None:
    """Five clips of three windows: three passes show every window once."""
    passes = EpochOrder(seed=1, per_clip=3)
    rows = torch.cat([passes.draw(step, 4, count=15) for step in range(15)]).reshape(12, 5)
    assert all(sorted(one) == list(range(5)) for one in (rows // 3).tolist())
    for first in range(0, 12, 3):
        assert sorted(rows[first : first + 3].flatten().tolist()) == list(range(15))
    assert len({tuple(one) for one in (rows // 3).tolist()}) > 1


def test_the_rows_of_a_step_depend_on_nothing_before_it() -> None:
    whole = [EpochOrder(seed=2, per_clip=2).draw(step, 3, count=8) for step in range(6)]
    assert torch.equal(EpochOrder(seed=2, per_clip=2).draw(4, 3, count=8), whole[4])
    assert torch.equal(EpochOrder(seed=2).draw(4, 3, count=8), draw_epochs(4, 3, count=8, seed=2))
