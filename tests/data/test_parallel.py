from contextlib import closing

import pytest
import torch

from cinefoley.data.parallel import run_all


def double(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is below zero")
    return 2 * number


def count_threads(_: int) -> int:
    return torch.get_num_threads()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_gives_a_result(workers: int) -> None:
    assert sorted(run_all(double, range(5), workers)) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_work_raises_is_raised(workers: int) -> None:
    with (
        closing(run_all(double, [1, -3, 2], workers)) as results,
        pytest.raises(ValueError, match="-3 is below"),
    ):
        list(results)


def test_processes_that_share_a_machine_use_one_thread_each() -> None:
    assert set(run_all(count_threads, range(2), 2)) == {1}
