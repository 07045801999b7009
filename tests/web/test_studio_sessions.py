from pathlib import Path

from cinefoley.web.studio_sessions import StudioSessions


def test_every_page_has_one_session(tmp_path: Path) -> None:
    sessions = StudioSessions(tmp_path, longest_s=10)

    assert sessions.of("anna") is sessions.of("anna")
    assert sessions.of("anna") is not sessions.of("ben")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_desk_is_found_again_by_its_secret_name_alone(tmp_path: Path) -> None:
    sessions = StudioSessions(tmp_path, longest_s=10)
    desk, session = sessions.enter("")

    assert len(desk) >= 24
    assert sessions.enter(desk) == (desk, session)
    assert sessions.enter("guessed")[1] is not session
    assert sessions.enter(None)[0] not in (desk, "guessed")


def test_a_closed_session_leaves_nothing(tmp_path: Path) -> None:
    sessions = StudioSessions(tmp_path, longest_s=10)
    sessions.of("anna")
    sessions.close("anna")
    sessions.close("nobody")

    assert list(tmp_path.iterdir()) == []


def test_at_the_end_every_run_is_stopped_and_nothing_is_left(tmp_path: Path) -> None:
    sessions = StudioSessions(tmp_path, longest_s=10)
    stops = [sessions.of(name)._stop for name in ("anna", "ben")]
    sessions.close_all()

    assert all(stop.is_set() for stop in stops)
    assert list(tmp_path.iterdir()) == []


def test_an_unused_session_is_closed(tmp_path: Path) -> None:
    sessions = StudioSessions(tmp_path, longest_s=10, most_idle_s=-1)
    sessions.of("anna")
    sessions.of("ben")

    assert len(list(tmp_path.iterdir())) == 1
