import threading

import pytest

from cinefoley.training.engine.prefetch import Prefetch


def test_items_come_in_order_and_each_is_loaded_once() -> None:
    loaded: list[int] = []

    def load(place: int) -> int:
        loaded.append(place)
        return place**2

    ahead = Prefetch(load)
    assert [ahead.get(place, last=5) for place in range(2, 6)] == [4, 9, 16, 25]
    ahead.close()
    assert loaded == [2, 3, 4, 5], "nothing beyond the last"


def test_the_next_item_is_loaded_meanwhile() -> None:
    is_loading, may_end = threading.Event(), threading.Event()

    def load(place: int) -> int:
        if place == 1:
            is_loading.set()
            assert may_end.wait(30)
        return place

    ahead = Prefetch(load)
    assert ahead.get(0, last=1) == 0
    assert is_loading.wait(30), "begun although nobody waits for it"
    may_end.set()
    assert ahead.get(1, last=1) == 1
    ahead.close()


def test_an_error_comes_where_its_item_is_asked_for() -> None:
    def load(place: int) -> int:
        if place == 1:
            raise OSError("torn")
        return place

    ahead = Prefetch(load)
    assert ahead.get(0, last=2) == 0
    with pytest.raises(OSError, match="torn"):
        ahead.get(1, last=2)
    ahead.close()


def test_another_place_than_the_next_is_loaded_all_the_same() -> None:
    ahead = Prefetch(lambda place: place)
    assert ahead.get(0, last=9) == 0
    assert ahead.get(7, last=9) == 7
    assert ahead.get(8, last=9) == 8
    ahead.close()
