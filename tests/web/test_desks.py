from pathlib import Path

from cinefoley.web.desks import Desks


def test_every_session_has_its_own_desk_and_keeps_it(tmp_path: Path) -> None:
    desks = Desks(tmp_path, longest_s=10)

    assert desks.of("anna") is desks.of("anna")
    assert desks.of("anna") is not desks.of("ben")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_session_that_is_over_leaves_nothing(tmp_path: Path) -> None:
    desks = Desks(tmp_path, longest_s=10)
    desks.of("anna")
    desks.close("anna")
    desks.close("nobody")

    assert list(tmp_path.iterdir()) == []


def test_in_the_end_every_run_is_stopped_and_nothing_is_left(tmp_path: Path) -> None:
    desks = Desks(tmp_path, longest_s=10)
    stops = [desks.of(name)._stop for name in ("anna", "ben")]
    desks.close_all()

    assert all(stop.is_set() for stop in stops)
    assert list(tmp_path.iterdir()) == []


def test_a_desk_that_nobody_uses_is_cleared_away(tmp_path: Path) -> None:
    desks = Desks(tmp_path, longest_s=10, most_idle_s=-1)
    desks.of("anna")
    desks.of("ben")

    assert len(list(tmp_path.iterdir())) == 1
