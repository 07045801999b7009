import pytest

from cinefoley.errors import OutputError
from cinefoley.web.serving import address_of, open_socket


def test_a_free_port_is_found_and_told() -> None:
    with open_socket("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert address_of(listening) == f"http://127.0.0.1:{port}/"


def test_of_all_interfaces_the_address_is_one_that_a_browser_here_understands() -> None:
    with open_socket("0.0.0.0", 0) as listening:
        assert address_of(listening) == f"http://localhost:{listening.getsockname()[1]}/"


def test_a_port_in_use_is_refused_with_what_to_do() -> None:
    with open_socket("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(OutputError, match=rf"127.0.0.1:{port}: cannot be listened on .*--port"):
            open_socket("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(OutputError, match=r"192\.0\.2\.1:80: cannot be listened on"):
        open_socket("192.0.2.1", 80)
